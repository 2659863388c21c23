"""The database is away for a while, and the clock is set back: nothing filed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from benchmarks.harness.postgresql import Server
from cv_engine.cases import Action, Actor, Event, Queue, QueueError, Role, open_queue
from cv_engine.cases.audit import audit
from cv_engine.errors import Failure
from tests.cases.made import at, finding


def test_a_server_that_is_gone_for_a_minute_loses_nothing(own_server: Server) -> None:
    with open_queue(own_server.create("city")) as queue:
        first = queue.file(finding())
        own_server.stop()
        for refused in (
            lambda: queue.file(finding(1000, 1300)),
            lambda: queue.move(1, Action.CONFIRM, Actor("chief")),
            lambda: queue.count(),
            lambda: list(queue.each()),
        ):
            with pytest.raises(QueueError) as caught:
                refused()
            assert caught.value.failure is Failure.UNAVAILABLE
            assert "try again" in str(caught.value) or "cannot be reached" in str(caught.value)
        own_server.start()
        # The same queue, without being opened again.
        assert queue.file(finding()).case_id == first.case_id
        assert queue.file(finding(1000, 1300)).outcome == "new"
        assert queue.move(1, Action.CONFIRM, Actor("chief")).version == 2
        assert queue.count() == 2


class _Clock:
    def __init__(self) -> None:
        self.now = at(100_000)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def set_back(where: str, clock: _Clock) -> Iterator[Queue]:
    """A queue with one confirmed case, whose clock was then set back by an hour."""
    with open_queue(where, clock=clock) as queue:
        queue.file(finding())
        queue.move(1, Action.CONFIRM, Actor("chief", Role.SUPERVISOR))
        clock.now -= timedelta(hours=1)
        yield queue


def test_a_clock_that_was_set_back_leaves_histories_in_order(set_back: Queue) -> None:
    chief = Actor("chief", Role.SUPERVISOR)
    set_back.move(1, Action.DEFER, chief, "rain", until=at(200_000))
    set_back.move(1, Action.RESUME, chief)
    events = [(entry.seq, entry.to_state) for entry in set_back.history(1)]
    assert events == [(1, "reported"), (2, "confirmed"), (3, "deferred"), (4, "confirmed")]
    assert set_back.history(1)[2].at < set_back.history(1)[1].at  # as the clock said
    assert set_back.history(1)[2].event is Event.STATE
    with set_back._store.snapshot() as connection:
        found = list(audit(connection))
    assert [(problem.seq, problem.what, problem.remark) for problem in found] == [
        (3, "clock", True)
    ]


def test_a_clock_that_was_set_back_is_said(set_back: Queue) -> None:
    with structlog.testing.capture_logs() as logs:
        set_back.move(1, Action.CITE, Actor("chief"))
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "the clock was set back: the case has later times"
    ]
    with structlog.testing.capture_logs() as logs:
        set_back.file(finding(9000, 9300))
    assert logs == []
