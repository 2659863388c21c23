"""The figures of a period, compared with a plain recount of the histories."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    Case,
    Queue,
    QueueError,
    Role,
    State,
    open_queue,
)
from cv_engine.cases.database import tallies
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import tallies as table
from cv_engine.cases.stages import NoLimits
from cv_engine.cases.statistics import By, Figures, Period, Selection, figures, total
from tests.cases.made import located
from tests.cases.statistics.recount import Life, lives, recount

CHIEF = Actor("Li", Role.SUPERVISOR)
FIRST = datetime(2026, 3, 27, 21, 30, tzinfo=UTC)
KINDS = ("motor_vehicle_parked", "clutter", "street_vendor")
DEPARTMENTS = ("cleansing", "parking", "城管一队")
ZONES = ("Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "UTC")


class TwoDays(NoLimits):
    """Two days to close a case; clutter has no limit."""

    def due(self, kind: str, stage: str, since: datetime, *, urgent: bool) -> datetime | None:
        limited = stage == "close" and kind != "clutter"
        return since + timedelta(days=2) if limited else None


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = FIRST

    def __call__(self) -> datetime:
        return self.now


#: A step of a city's day: how long later, which case, and what is done with it.
steps = st.lists(
    st.tuples(
        st.integers(0, 40 * 3600 * 1000).map(lambda ms: timedelta(milliseconds=ms)),
        st.integers(0, 30),
        st.sampled_from(["file", *Action] * 2 + ["next"] * 20),
        st.sampled_from(DEPARTMENTS),
    ),
    max_size=60,
)
#: The usual way of a case, which random steps alone would seldom find.
_NEXT = {
    State.REPORTED: Action.CONFIRM,
    State.CONFIRMED: Action.DISPATCH,
    State.DISPATCHED: Action.HANDLE,
    State.HANDLED: Action.VERIFY,
    State.VERIFIED: Action.CLOSE,
    State.DEFERRED: Action.RESUME,
    State.NOTICED: Action.CLOSE,
    State.CITED: Action.CLOSE,
}


def _play(queue: Queue, clock: Clock, given_steps: list[Any]) -> None:
    filed = 0
    for later, number, what, department in [
        (timedelta(0), n, "file", "") for n in range(4)
    ] + given_steps:
        clock.now += later / 4
        if what == "file":
            apart = 121 + filed / 100
            made = located(
                apart, 30, began=filed, kind=KINDS[number % 3], zone=f"zone {number % 2}"
            )
            queue.file(made)
            filed += 1
            continue
        case = queue.get(number % filed + 1)
        action = _NEXT.get(case.state) if what == "next" else what
        if action is None:
            continue
        until = clock.now + timedelta(days=1)
        with suppress(QueueError):  # most states allow few steps
            queue.move(case.id, action, CHIEF, "because", to=Assignment(department), until=until)


def _check(queue: Queue, where: str, zone: str) -> None:
    known = lives(queue)
    with closing(Store(where)) as store, store.snapshot() as connection:
        for name in ("2026-03", "2026-03-28..2026-03-29", "2026-W14", "2026-03-29", "2026"):
            period = Period.parse(name, ZoneInfo(zone))
            assert total(connection, period) == recount(known, period)
            for by, value_of in _VALUES.items():
                groups: dict[str | None, list[Life]] = defaultdict(list)
                for life in known:
                    groups[value_of(life.case)].append(life)
                rows = {value: recount(some, period) for value, some in groups.items()}
                expected = {value: row for value, row in rows.items() if row != Figures()}
                assert figures(connection, period, by) == expected
            chosen = Selection(kind=KINDS[0], zone="zone 1")
            some = [
                life for life in known if (life.case.kind, life.case.zone) == (KINDS[0], "zone 1")
            ]
            assert total(connection, period, chosen) == recount(some, period)
        period = Period.parse("2026-03-27..2026-04-05", ZoneInfo(zone))
        days = figures(connection, period, By.DAY)
        assert list(days.values()) == [recount(known, day) for day in period.days()]


_VALUES: dict[By, Callable[[Case], str | None]] = {
    By.CLASS: lambda case: case.kind,
    By.DEPARTMENT: lambda case: case.handling.department,
    By.ZONE: lambda case: case.zone,
    By.SOURCE: lambda case: case.source,
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given_steps=steps, zone=st.sampled_from(ZONES))
def test_the_figures_are_those_of_a_recount_on_sqlite(given_steps: list[Any], zone: str) -> None:
    with tempfile.TemporaryDirectory(prefix="cvstats") as folder:
        where, clock = str(Path(folder) / "queue.sqlite"), Clock()
        with open_queue(where, clock=clock, limits=TwoDays()) as queue:
            _play(queue, clock, given_steps)
            _check(queue, where, zone)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(given_steps=steps, zone=st.sampled_from(ZONES))
def test_the_figures_are_those_of_a_recount_on_postgresql(
    postgresql: str, given_steps: list[Any], zone: str
) -> None:
    import psycopg

    with psycopg.connect(postgresql.format("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS statistics")
        connection.execute("CREATE DATABASE statistics")
    where, clock = postgresql.format("statistics"), Clock()
    with open_queue(where, clock=clock, limits=TwoDays()) as queue:
        _play(queue, clock, given_steps)
        _check(queue, where, zone)


def _handled(queue: Queue, clock: Clock, hours: float) -> int:
    """File a case, and close it after some hours."""
    apart = 121 + queue.count() / 100
    number = queue.file(located(apart, 30, kind="street_vendor")).case_id
    for action in (Action.CONFIRM, Action.DISPATCH, Action.HANDLE, Action.VERIFY):
        queue.move(number, action, CHIEF, "seen", to=Assignment("cleansing"))
    clock.now += timedelta(hours=hours)
    queue.move(number, Action.CLOSE, CHIEF)
    return number


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(where: str, clock: Clock) -> Any:
    with open_queue(where, clock=clock, limits=TwoDays()) as opened:
        yield opened


def _total(where: str, period: str = "2026", zone: str = "Asia/Shanghai") -> Figures:
    with closing(Store(where)) as store, store.snapshot() as connection:
        return total(connection, Period.parse(period, ZoneInfo(zone)))


def test_a_case_closed_at_its_deadline_is_on_time(queue: Queue, where: str, clock: Clock) -> None:
    _handled(queue, clock, 48)
    _handled(queue, clock, 48.001)
    found = _total(where)
    assert (found.due, found.settled, found.on_time) == (2, 2, 1)
    assert found.on_time_rate == 0.5


def test_a_merged_case_is_not_counted_twice(queue: Queue, where: str) -> None:
    for apart in (121.0, 121.1):
        queue.file(located(apart, 30))
    queue.merge(2, 1, CHIEF, "the same")
    assert _total(where).received == 1


def test_a_reopened_case_counts_again_when_it_is_closed_again(
    queue: Queue, where: str, clock: Clock
) -> None:
    number = _handled(queue, clock, 1)
    assert _total(where).closed == 1
    clock.now += timedelta(days=30)
    queue.move(number, Action.REOPEN, CHIEF, "it is back")
    reopened = _total(where, "2026-03")
    assert (reopened.filed, reopened.closed, reopened.due) == (1, 0, 0)
    assert _total(where, "2026-04").due == 1


def test_a_case_rejected_on_appeal_was_never_filed(queue: Queue, where: str) -> None:
    queue.file(located(121, 30))
    for action in (Action.CONFIRM, Action.CITE, Action.APPEAL, Action.REJECT, Action.APPEAL):
        queue.move(1, action, CHIEF, "because")
    assert _total(where).filed == 0


@pytest.mark.parametrize("late_us", [0, 1])
def test_the_last_microsecond_of_a_month_belongs_to_it(
    queue: Queue, where: str, clock: Clock, late_us: int
) -> None:
    clock.now = datetime(2026, 3, 31, 15, 59, 59, 999_999, UTC) + timedelta(microseconds=late_us)
    queue.file(located(121, 30))
    assert _total(where, "2026-03").received == 1 - late_us
    assert _total(where, "2026-04").received == late_us


def test_a_recount_of_the_tallies_changes_nothing(queue: Queue, where: str, clock: Clock) -> None:
    for hours in (1, 50, 100):
        _handled(queue, clock, hours)
    queue.file(located(125, 30))
    key = (table.c.dimension, table.c.bucket, table.c.value)
    counts = [sa.func.sum(each) for each in table.c if not each.primary_key]
    added = sa.select(*key, *counts).group_by(*key)
    with closing(Store(where)) as store, store.writing() as connection:
        kept = {tuple(row) for row in connection.execute(added) if any(row[3:])}
        tallies.recount(connection)
        assert {tuple(row) for row in connection.execute(added)} == kept


def test_a_month_is_read_from_its_tallies_and_its_ends_from_the_cases(
    queue: Queue, where: str, clock: Clock
) -> None:
    _handled(queue, clock, 1)
    with closing(Store(where)) as store, store.writing() as connection:
        other = table.update().values(received=100).where(table.c.received == 1)
        connection.execute(other)
        for period, received in (("2026-03", 100), ("2026-03-27", 100)):
            found = Period.parse(period, ZoneInfo("UTC"))
            assert total(connection, found, times=False).received == received
        in_half_an_hour = Period.parse("2026-03-28", ZoneInfo("Asia/Kathmandu"))
        by_class = figures(connection, in_half_an_hour, By.CLASS, times=False)
        assert by_class["street_vendor"].received == 1
