"""Deadlines are attended to round after round, by many, through absences, and never twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import structlog

from benchmarks.harness.postgresql import Server
from cv_engine.cases import Event, Filter, Queue, open_queue
from cv_engine.cases.attendance import EVERY_S, keep_attending
from cv_engine.cases.attention import Attended
from cv_engine.config import Config
from cv_engine.services import Services
from tests.cases.made import NEXT_BOX, Clock, Hours, finding

_PASSED = timedelta(hours=3)  # the limit for a verdict, and more


def _rounds(between: Callable[[int], object], most: int) -> Callable[[float], bool]:
    """Stops after some rounds; ``between`` receives the number of the rounds so far."""
    done = 0

    def stopped(wait_s: float) -> bool:
        nonlocal done
        assert wait_s == EVERY_S
        done += 1
        between(done)
        return done == most

    return stopped


def test_only_rounds_in_which_something_was_done_are_reported(where: str) -> None:
    clock, reports = Clock(), list[Attended]()

    def between(done: int) -> None:
        clock.now += timedelta(minutes=30)

    with open_queue(where, clock=clock, limits=Hours()) as queue:
        queue.file(finding())
        keep_attending(queue.attend, reports.append, _rounds(between, 12))
    assert reports == [Attended(warned=(1,)), Attended(escalated=(1,))]


def test_a_database_that_is_away_is_said_once_and_what_became_due_is_done_when_it_is_back(
    own_server: Server,
) -> None:
    clock, reports = Clock(), list[Attended]()
    steps: dict[int, Callable[[], object]] = {1: own_server.stop, 4: own_server.start}

    def between(done: int) -> None:
        clock.now += timedelta(hours=1)
        steps.get(done, lambda: None)()

    with open_queue(own_server.create("city"), clock=clock, limits=Hours()) as queue:
        queue.file(finding())
        with structlog.testing.capture_logs() as logs:
            keep_attending(queue.attend, reports.append, _rounds(between, 5))
    assert reports == [Attended(escalated=(1,))]
    said = [line["reason"] for line in logs]
    assert len(said) == len(set(said)) >= 1
    assert all("database" in reason or "server" in reason for reason in said), said


def test_a_queue_that_cannot_be_opened_yet_is_attended_to_once_it_can(own_server: Server) -> None:
    url, reports = own_server.create("city"), list[Attended]()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with open_queue(url, clock=lambda: yesterday, limits=Hours()) as queue:
        queue.file(finding())
    own_server.stop()
    steps: dict[int, Callable[[], object]] = {2: own_server.start}
    with Services(Config(store=url)) as services:
        keep_attending(
            lambda: services.queue.attend(),
            reports.append,
            _rounds(lambda done: steps.get(done, lambda: None)(), 4),
        )
    assert reports == [Attended(escalated=(1,))]


def test_many_programs_attend_to_one_queue_and_nothing_is_done_twice(where: str) -> None:
    clock, reports = Clock(), list[Attended]()
    with ExitStack() as stack:
        queues: list[Queue] = [
            stack.enter_context(open_queue(where, clock=clock, limits=Hours())) for _ in range(4)
        ]
        for number in range(150):
            queues[0].file(finding(1000.0 * number, 1000.0 * number + 10))
            queues[0].file(finding(1000.0 * number, 1000.0 * number + 10, box=NEXT_BOX))
        clock.now += _PASSED
        with ThreadPoolExecutor(len(queues)) as threads:
            for queue in queues:
                threads.submit(
                    keep_attending, queue.attend, reports.append, _rounds(lambda _: None, 3)
                )
        done = sorted(number for report in reports for number in report.escalated)
        assert done == list(range(1, 301))
        for case in queues[0].cases(Filter(limit=10)):
            events = [entry.event for entry in queues[0].history(case.id)]
            assert events == [Event.FILED, Event.ESCALATED]
