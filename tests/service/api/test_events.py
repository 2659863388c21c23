"""Live updates from a real server: none is lost between two connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Thread
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cv_engine.cases import open_queue
from cv_engine.service import events as module
from cv_engine.service.events import Events
from tests.cases.conftest import where
from tests.service.api.city import car, file_some
from tests.service.made import People
from tests.service.running import running

__all__ = ["where"]
_LIMIT_S = 60.0


@contextmanager
def _listening(
    address: str, people: People, after: int | None = None
) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a connection, as a browser reads them."""
    headers = {
        "Authorization": people.program(people.shared.accounts.all()[0]).headers["Authorization"]
    }
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    with httpx.stream("GET", f"{address}/api/events", headers=headers, timeout=_LIMIT_S) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")  # the server listens from here on

        def events() -> Iterator[dict[str, Any]]:
            found: dict[str, Any] = {}
            for line in lines:
                if not line and "data" in found:
                    yield {**json.loads(found["data"]), "id": int(found["id"])}
                    found = {}
                elif line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    found[name] = value

        yield events()


def _take(events: Iterator[dict[str, Any]], count: int) -> list[tuple[int, str]]:
    return [(event["id"], event["type"]) for event in islice(events, count)]


def test_a_connection_that_was_cut_is_resumed_without_a_gap(app: FastAPI, people: People) -> None:
    people.account()
    queue = people.shared.queue
    with running(app) as (_, address):
        file_some(queue, 2)
        with _listening(address, people, after=0) as events:
            (first,) = _take(events, 1)
        queue.confirm(1, "Li Wei")
        queue.file(car(5))
        with _listening(address, people, after=first[0]) as events:
            rest = _take(events, 3)
            queue.reject(2, "Li Wei", "no")
            rest += _take(events, 1)
    numbers = [number for number, _ in [first, *rest]]
    assert numbers == sorted(set(numbers))
    assert [kind for _, kind in [first, *rest]] == [
        *("case.filed", "case.filed", "case.state", "case.filed", "case.state"),
    ]


def test_who_begins_to_listen_hears_what_another_program_files(
    app: FastAPI, people: People, where: str
) -> None:
    people.account()
    file_some(people.shared.queue, 1)
    with running(app) as (_, address), open_queue(where) as other:
        with _listening(address, people) as events:
            number = other.file(car(5)).case_id
            event = next(events)
        assert event["data"]["case"]["id"] == number


def test_officers_of_an_area_hear_of_its_cases_only(app: FastAPI, people: People) -> None:
    people.account(areas=["north"])
    queue = people.shared.queue
    file_some(queue, 2)
    with queue.store.writing() as connection:
        connection.exec_driver_sql("UPDATE cases SET area = 'north' WHERE id = 2")
    with running(app) as (_, address), _listening(address, people, after=0) as events:
        assert next(events)["data"]["case"]["id"] == 2


def test_streams_end_when_the_server_stops(app: FastAPI, people: People) -> None:
    people.account()
    with running(app) as (server, address), _listening(address, people) as events:
        server.stop()
        assert list(events) == []


def test_listeners_who_resume_from_long_ago_read_the_history_first(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    queue = people.shared.queue
    file_some(queue, 4)

    async def listen() -> list[int]:
        stopping = asyncio.Event()
        events = Events(queue.store, pulse_s=_LIMIT_S)
        following = asyncio.create_task(events.run(stopping))
        heard = []
        try:
            more = Thread(target=lambda: [queue.file(car(n)) for n in range(10, 16)])
            async for event in events.after(0):
                assert event is not None
                heard.append(event.entry.id)
                if len(heard) == 4:
                    more.start()
                if len(heard) == 10:
                    return heard
        finally:
            stopping.set()
            await following
        return heard

    heard = asyncio.run(asyncio.wait_for(listen(), _LIMIT_S))
    assert heard == sorted(set(heard)) and len(heard) == 10


def test_a_listener_who_may_not_listen_any_more_is_found_out(people: People) -> None:
    from cv_engine.service.access import Caller, still_known

    account = people.account()
    secret, _ = people.shared.sessions.log_in(account.name, "herons nest by the old weir")
    caller = Caller(people.shared.accounts.get("Li Wei"), session=secret)
    assert still_known(people.shared, caller)
    people.shared.accounts.change("Li Wei", "Chief", disabled=True)
    assert not still_known(people.shared, caller)
