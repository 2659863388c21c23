"""What people change in a case beside its state, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    ConflictError,
    Event,
    Filter,
    ForbiddenError,
    Queue,
    QueueError,
    Role,
    State,
    open_queue,
)
from tests.cases.dispatch.made import city
from tests.cases.made import NEXT_BOX, Clock, Hours, at, finding, located

_CHIEF = Actor("Chen Jie", Role.SUPERVISOR)
_GUEST = Actor("Guest", Role.VIEWER)
_HOUR = timedelta(hours=1)
_NORTH = Assignment("street", "north", "Li Wei")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(where: str, clock: Clock, tmp_path: Path) -> Iterator[Queue]:
    """A queue of a city, with a case in Market Street and one without a place."""
    organisation = city(tmp_path)
    with open_queue(where, clock=clock, limits=Hours(), organisation=organisation) as opened:
        opened.file(located(121.5, 29.5))
        opened.file(finding(box=NEXT_BOX))
        yield opened


def _dispatched(queue: Queue, number: int = 1) -> None:
    queue.confirm(number, "Li Wei")
    queue.move(number, Action.DISPATCH, "Li Wei", to=Assignment("street"))


def test_a_new_case_shows_the_area_that_it_lies_in(queue: Queue) -> None:
    assert queue.get(1).handling.area == "Market Street"
    assert queue.get(2).handling.area is None
    assert [case.id for case in queue.cases(Filter(area="Market Street"))] == [1]


def test_a_case_is_dispatched_to_who_is_responsible_unless_somebody_is_named(queue: Queue) -> None:
    assert queue.suggest(1) == Assignment("street", "north")
    queue.confirm(1, "Li Wei")
    handling = queue.move(1, Action.DISPATCH, "Li Wei").handling
    assert (handling.department, handling.team, handling.officer) == ("street", "north", None)
    assert queue.suggest(2) is None
    queue.confirm(2, "Li Wei")
    with pytest.raises(QueueError, match="neither its class nor its place says who"):
        queue.move(2, Action.DISPATCH, "Li Wei")
    named = queue.move(2, Action.DISPATCH, "Li Wei", to=Assignment("Sanitation Office"))
    assert named.handling.department == "sanitation"


def test_nothing_is_dispatched_to_a_department_that_does_not_exist(queue: Queue) -> None:
    queue.confirm(1, "Li Wei")
    with pytest.raises(QueueError, match="no department 'strete'; known: street, sanitation"):
        queue.move(1, Action.DISPATCH, "Li Wei", to=Assignment("strete"))
    assert queue.get(1).state is State.CONFIRMED


def test_a_case_is_reassigned_without_a_change_of_its_state(queue: Queue) -> None:
    _dispatched(queue)
    due = queue.get(1).handling.due_at
    case = queue.assign(1, _NORTH, "Li Wei", "knows the street")
    assert case.state is State.DISPATCHED
    assert (case.handling.officer, case.handling.due_at) == ("Li Wei", due)
    entry = queue.history(1)[-1]
    assert (entry.event, entry.note, entry.role) == (Event.ASSIGNED, "knows the street", "officer")
    assert entry.data == {"department": "street", "team": "north", "officer": "Li Wei"}
    with pytest.raises(QueueError, match="case 1 is with street, north, Li Wei already"):
        queue.assign(1, _NORTH, "Li Wei")


def test_a_case_that_has_ended_is_assigned_to_no_one(queue: Queue) -> None:
    queue.reject(1, "Li Wei", "loading")
    with pytest.raises(QueueError, match="case 1 is rejected: no one has to act"):
        queue.assign(1, _NORTH, "Li Wei")
    with pytest.raises(QueueError, match="case 1 is rejected: no one has to act"):
        queue.set_priority(1, "urgent", "Li Wei")


def test_a_supervisor_extends_the_deadline_of_the_stage_and_of_the_case(
    queue: Queue, clock: Clock
) -> None:
    _dispatched(queue)
    before = queue.get(1).handling
    assert before.due_at is not None and before.close_due_at is not None
    due = before.due_at + 5 * _HOUR
    case = queue.extend(1, due, _CHIEF, "rain")
    assert case.handling.due_at == due
    assert case.handling.close_due_at == before.close_due_at + 5 * _HOUR
    assert case.result.extensions == 1
    assert queue.history(1)[-1].event is Event.EXTENDED
    clock.now = before.due_at
    assert 1 not in queue.attend().escalated, "the old deadline is no longer one"
    clock.now = due
    assert queue.attend().escalated == (1,), "the new one is"


def test_an_extension_ends_the_alarm_of_the_old_deadline(queue: Queue, clock: Clock) -> None:
    _dispatched(queue)
    due = queue.get(1).handling.due_at
    assert due is not None
    clock.now = due
    queue.attend()
    assert queue.get(1).handling.alert == "escalated"
    assert [case.id for case in queue.cases(Filter(overdue=due + _HOUR))] == [2, 1]
    queue.extend(1, due + 9 * _HOUR, _CHIEF)
    assert queue.get(1).handling.alert is None
    assert [case.id for case in queue.cases(Filter(overdue=due + _HOUR))] == [2]


@pytest.mark.parametrize(
    ("hours", "by", "error", "said"),
    [
        (9, Actor("Li Wei"), ForbiddenError, "Li Wei may not extend case 1"),
        (-1, _CHIEF, QueueError, "has passed"),
        (1, _CHIEF, QueueError, "is no later"),
    ],
)
def test_a_wrong_extension_changes_nothing(
    queue: Queue, clock: Clock, hours: int, by: Actor, error: type[QueueError], said: str
) -> None:
    _dispatched(queue)
    before = queue.get(1)
    with pytest.raises(error, match=said):
        queue.extend(1, clock.now + hours * _HOUR, by)
    assert queue.get(1) == before


def test_no_deadline_is_extended_where_none_runs(queue: Queue, clock: Clock) -> None:
    queue.reject(1, "Li Wei", "loading")
    with pytest.raises(QueueError, match="no deadline runs"):
        queue.extend(1, clock.now + _HOUR, _CHIEF)
    with pytest.raises(QueueError, match="no time zone"):
        queue.extend(2, datetime(2027, 1, 1), _CHIEF)


def test_an_urgent_case_is_due_earlier_counted_from_the_start_of_its_stage(
    queue: Queue, clock: Clock
) -> None:
    filed = queue.get(1).filed_at
    clock.now += _HOUR / 2
    case = queue.set_priority(1, "urgent", "Li Wei", "in front of the hospital")
    assert (case.priority, case.handling.due_at) == ("urgent", filed + _HOUR)
    assert case.handling.close_due_at == filed + 24 * _HOUR
    entry = queue.history(1)[-1]
    assert (entry.event, entry.data["priority"]) == (Event.PRIORITY, "urgent")
    assert queue.set_priority(1, "normal", "Li Wei").handling.due_at == filed + 2 * _HOUR
    with pytest.raises(QueueError, match="case 1 is normal already"):
        queue.set_priority(1, "normal", "Li Wei")
    with pytest.raises(QueueError, match="no priority 'now'; known: urgent, normal, deferrable"):
        queue.set_priority(1, "now", "Li Wei")


def test_another_priority_keeps_the_time_of_an_extension(queue: Queue) -> None:
    filed = queue.get(1).filed_at
    queue.extend(1, filed + 12 * _HOUR, _CHIEF)
    case = queue.set_priority(1, "urgent", _CHIEF)
    assert case.handling.due_at == filed + 11 * _HOUR


def test_a_note_joins_a_case_in_any_state(queue: Queue) -> None:
    queue.reject(1, "Li Wei", "loading")
    case = queue.note(1, "Li Wei", "the van has a permit")
    assert (case.state, case.version) == (State.REJECTED, 3)
    entry = queue.history(1)[-1]
    assert (entry.event, entry.note) == (Event.NOTED, "the van has a permit")
    with pytest.raises(QueueError, match="the note on case 1 is empty"):
        queue.note(1, "Li Wei", "  ")
    with pytest.raises(QueueError, match="NUL"):
        queue.note(1, "Li Wei", "a\0b")


_CHANGES: dict[str, Callable[[Queue, Actor, int | None], object]] = {
    "assign": lambda queue, by, version: queue.assign(1, _NORTH, by, version=version),
    "extend": lambda queue, by, version: queue.extend(1, at(1e6), by, version=version),
    "note": lambda queue, by, version: queue.note(1, by, "seen", version=version),
    "priority": lambda queue, by, version: queue.set_priority(1, "urgent", by, version=version),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_a_viewer_and_who_has_not_seen_the_last_change_change_nothing(
    queue: Queue, name: str
) -> None:
    before = queue.get(1)
    with pytest.raises(ForbiddenError, match="Guest may not"):
        _CHANGES[name](queue, _GUEST, None)
    with pytest.raises(ConflictError, match=r"changed since you read it \(version 7, now 1\)"):
        _CHANGES[name](queue, _CHIEF, 7)
    assert queue.get(1) == before
    _CHANGES[name](queue, _CHIEF, 1)
    assert queue.get(1).version == 2
