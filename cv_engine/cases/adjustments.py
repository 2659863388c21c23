"""What people change in a case beside its state: who acts, by when, how soon, and notes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.errors import QueueError
from cv_engine.cases.lifecycle import OPEN_STATES, Actor, Role
from cv_engine.cases.moves import Assignment
from cv_engine.cases.rows import last_entry, time_text
from cv_engine.cases.stages import STAGES, Limits
from cv_engine.cases.taxonomy import Priority, Stage


def assign(case: LockedCase, to: Assignment, by: Actor, note: str) -> None:
    """Give an open case to another department, team or officer.

    Raises:
        ForbiddenError: The person may not assign cases.
        QueueError: No one has to act on the case any more, or the assignment is the present one.
    """
    by.need(Role.OFFICER, f"assign case {case.row.id}")
    _need_open(case, "assigned")
    columns: dict[str, Any] = to.columns()
    if columns == {name: getattr(case.row, name) for name in columns}:
        raise QueueError(f"case {case.row.id} is with {told(to)} already")
    data = {name: value for name, value in columns.items() if value is not None}
    case.record(Event.ASSIGNED, by, note, data=data, **columns)


def told(to: Assignment) -> str:
    """An assignment in words."""
    return ", ".join(part for part in (to.department, to.team, to.officer) if part)


def extend(case: LockedCase, due: datetime, by: Actor, note: str, limits: Limits) -> None:
    """Give the present stage of a case a later deadline, or one if it has none.

    The deadline of the whole case moves by the same time.

    Args:
        case: The case.
        due: The new deadline of the stage.
        by: Who extends it.
        note: Why.
        limits: The limits of the stages.

    Raises:
        ForbiddenError: The person may not extend deadlines.
        QueueError: No stage runs in the case's state, or ``due`` has passed, has no time zone or
            lies before the present deadline.
    """
    row = case.row
    by.need(Role.SUPERVISOR, f"extend case {row.id}")
    if due.tzinfo is None:
        raise QueueError("the new deadline has no time zone")
    if case.state not in STAGES:
        running = ", ".join(state.value for state in STAGES)
        raise QueueError(
            f"case {row.id} is {case.state.value}: no deadline runs; one runs in: {running}"
        )
    if due <= case.at:
        raise QueueError(f"the new deadline {time_text(due)} has passed: give a time to come")
    if row.due_at is not None and due <= row.due_at:
        raise QueueError(
            f"case {row.id} is due at {time_text(row.due_at)}: the new deadline "
            f"{time_text(due)} is no later"
        )
    close = row.close_due_at
    if close is not None:
        close = max(due, close + (due - row.due_at) if row.due_at is not None else close)
    case.record(
        Event.EXTENDED,
        by,
        note,
        data={
            "due": time_text(due),
            "before": None if row.due_at is None else time_text(row.due_at),
        },
        due_at=due,
        close_due_at=close,
        attention_at=limits.warn_at(case.at, due),
        alert=None,
        extensions=row.extensions + 1,
    )


def set_priority(
    case: LockedCase, priority: Priority, by: Actor, note: str, limits: Limits
) -> None:
    """Make a case more or less urgent; its deadlines move with the limits.

    A deadline that was extended, or that waited while the case was deferred, keeps that time.

    Raises:
        ForbiddenError: The person may not change priorities.
        QueueError: No one has to act on the case any more, or the priority is the present one.
    """
    row = case.row
    by.need(Role.OFFICER, f"change the priority of case {row.id}")
    _need_open(case, "given a priority")
    if row.priority == priority.value:
        raise QueueError(f"case {row.id} is {priority.value} already")
    values: dict[str, Any] = {"priority": priority.value}
    stage = STAGES.get(case.state)
    if stage is not None:
        since = last_entry(case.connection, row.id, case.state).at
        due = _moved(row.due_at, row, priority, stage, since, limits)
        if due != row.due_at:
            warn = None if due is None else limits.warn_at(since, due)
            values |= {"due_at": due, "attention_at": warn, "alert": None}
    values["close_due_at"] = _moved(
        row.close_due_at, row, priority, Stage.CLOSE, row.filed_at, limits
    )
    data = {"priority": priority.value, "before": row.priority}
    case.record(Event.PRIORITY, by, note, data=data, **values)


def _moved(
    due: datetime | None, row: Any, priority: Priority, stage: str, since: datetime, limits: Limits
) -> datetime | None:
    """A deadline, moved by the difference of the limits of both priorities."""
    before = limits.due(row.kind, stage, since, urgent=row.priority == Priority.URGENT)
    after = limits.due(row.kind, stage, since, urgent=priority is Priority.URGENT)
    if after is None or after == before:
        return due
    if before is None or due is None:
        return after
    return due + (after - before)


def note(case: LockedCase, by: Actor, text: str, data: dict[str, str]) -> None:
    """Add a person's note to a case in any state.

    Args:
        case: The case.
        by: Who writes it.
        text: The note.
        data: Values of the history's entry: the evidence that comes with the note.

    Raises:
        ForbiddenError: The person may not write notes.
        QueueError: The note is empty.
    """
    by.need(Role.OFFICER, f"add a note to case {case.row.id}")
    if not text.strip() and not data:
        raise QueueError(f"the note on case {case.row.id} is empty")
    case.record(Event.NOTED, by, text, data=data)


def _need_open(case: LockedCase, what: str) -> None:
    if case.state not in OPEN_STATES:
        raise QueueError(
            f"case {case.row.id} is {case.state.value}: no one has to act on it, so it is not "
            f"{what}"
        )
