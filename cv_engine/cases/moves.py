"""Moves: an officer takes a case one step further, and what the step changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.errors import ConflictError, NoStepError, QueueError
from cv_engine.cases.lifecycle import Action, Actor, Role, State, Step, step_of
from cv_engine.cases.rows import last_entry, time_text
from cv_engine.cases.stages import Limits, entered
from cv_engine.cases.taxonomy import Priority, Stage
from cv_engine.finding import WARNING

_OUTCOMES = {State.NOTICED: "left", State.CITED: "cited", State.VERIFIED: "handled"}
_DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who is to act on a case.

    Attributes:
        department: The department's name.
        team: A team of the department; ``None``: any.
        officer: A person; ``None``: anybody of the team.
    """

    department: str
    team: str | None = None
    officer: str | None = None

    def columns(self) -> dict[str, str | None]:
        """The assignment as columns of table ``cases``."""
        return {"department": self.department, "team": self.team, "officer": self.officer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step that somebody wants to take.

    Attributes:
        action: What is to be done.
        by: Who does it.
        note: A note for the history.
        reason: The reason's name in the taxonomy; a note alone is a reason, too.
        to: To whom the case is dispatched.
        until: Until when the case is deferred (timezone-aware).
        into: Number of the case that continues with a merged one's findings.
        outcome: How a noticed case ends, if not as ``"left"``.
        version: Version of the case that the person has seen; a case that has changed since is
            left alone. ``None``: whatever the version.
        data: Further JSON values for the history.
    """

    action: Action
    by: Actor
    note: str = ""
    reason: str | None = None
    to: Assignment | None = None
    until: datetime | None = None
    into: int | None = None
    outcome: str | None = None
    version: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_note(self.note)
        if self.until is not None and self.until.tzinfo is None:
            raise QueueError("the time until which a case is deferred has no time zone")


def check_note(note: str) -> None:
    """Refuse a note that no database keeps.

    Raises:
        QueueError: The note has a NUL character.
    """
    if "\0" in note:
        raise QueueError("notes cannot hold a NUL character")


def check_version(case: LockedCase, version: int | None) -> None:
    """Refuse a change by somebody who has not seen the latest one.

    Raises:
        ConflictError: The case has changed since that version.
    """
    if version is not None and version != case.version:
        raise ConflictError(
            f"case {case.row.id} has changed since you read it (version {version}, now "
            f"{case.version}): {_last_change(case)}; nothing was changed, look at it again"
        )


def take_step(case: LockedCase, move: Move, limits: Limits) -> None:
    """Take one step with a case.

    Args:
        case: The case.
        move: The step.
        limits: The limits of the stages.

    Raises:
        ConflictError: The case has changed since the version that the person has seen.
        ForbiddenError: The person's role does not allow the step.
        NoStepError: The process has no such step from the case's state.
        QueueError: Something that the step needs is missing.
    """
    check_version(case, move.version)
    try:
        step = step_of(case.row.id, move.action, case.state)
    except NoStepError as error:
        raise NoStepError(f"{error} ({_last_change(case)})") from error
    move.by.need(step.role, f"{move.action.value} case {case.row.id}")
    if step.needs_reason and not (move.reason or move.note.strip()):
        raise QueueError(
            f"give a reason: a case becomes {step.after.value} by {step.action.value} only with one"
        )
    urgent = case.row.priority == Priority.URGENT
    deadline = entered(limits, case.row.kind, step.after, case.at, urgent=urgent)
    effect = _EFFECTS[move.action](case, move, step)
    effect |= _whole_case(case, move.action, limits, urgent=urgent)
    data = {"action": move.action.value, **_said(move), **move.data}
    case.record(Event.STATE, move.by, move.note, to=step.after, data=data, **{**deadline, **effect})


def _whole_case(
    case: LockedCase, action: Action, limits: Limits, *, urgent: bool
) -> dict[str, Any]:
    """The deadline of the whole case, where a step changes it.

    A reopened case has a new one. The time for which a case was deferred does not count.
    """
    kind, due = case.row.kind, case.row.close_due_at
    if action is Action.REOPEN:
        return {"close_due_at": limits.due(kind, Stage.CLOSE, case.at, urgent=urgent)}
    if action is Action.RESUME and due is not None:
        since = last_entry(case.connection, case.row.id, State.DEFERRED).at
        pause = (since, max(since, case.at))
        return {"close_due_at": limits.resumed(kind, Stage.CLOSE, due, pause, urgent=urgent)}
    return {}


def _said(move: Move) -> dict[str, Any]:
    """What the history keeps of a move, without what was not given."""
    given = {} if move.to is None else move.to.columns()
    values: dict[str, Any] = {**given, "reason": move.reason, "into": move.into}
    values["outcome"] = move.outcome
    if move.until is not None:
        values["until"] = time_text(move.until)
    return {name: value for name, value in values.items() if value is not None}


def _last_change(case: LockedCase) -> str:
    entry = last_entry(case.connection, case.row.id)
    what = entry.to_state or entry.event
    return f"{what} by {entry.by} at {entry.at.isoformat(timespec='seconds')}"


def _confirm(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"confirmed_at": case.at, "reason": None, "ended_at": None, "outcome": None}


def _end(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"ended_at": case.at, "reason": move.reason}


def _reject(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    """A case that is rejected on appeal is no longer a confirmed one."""
    return {**_end(case, move, step), "confirmed_at": None}


def _undo(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"confirmed_at": None, "reason": None, "ended_at": None}


def _stay(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {}


def _cite(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    """Refuse a citation in a zone's warning period."""
    if case.row.attributes.get(WARNING):
        raise QueueError(
            f"case {case.row.id} was found in the warning period of zone {case.row.zone}: its "
            "driver may be warned, not cited"
        )
    return {}


def _dispatch(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    if move.to is None:
        raise QueueError(
            f"name the department that case {case.row.id} is dispatched to: neither its class nor "
            "its place says who is responsible"
        )
    return {"dispatched_at": case.at, **move.to.columns()}


def _handle(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"handled_at": case.at}


def _verify(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    """A case whose thing was seen after it was handled is verified by a supervisor only."""
    row = case.row
    if row.gone_at is None and row.handled_at is not None and row.observed > row.handled_at:
        seen, handled = (time_text(at) for at in (row.observed, row.handled_at))
        what = f"case {row.id}: {row.source} saw it at {seen}, after it was handled at {handled}"
        if not move.by.role.covers(Role.SUPERVISOR):
            raise QueueError(
                f"{what}: return it for rework; a supervisor may verify it all the same"
            )
        if not (move.reason or move.note.strip()):
            raise QueueError(f"{what}: return it for rework, or say in a note why it is verified")
    return {"verified_at": case.at}


def _return(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    if step.before is State.DISPATCHED:
        return {"department": None, "team": None, "officer": None}
    return {"returns": case.row.returns + 1, "handled_at": None, "verified_at": None}


def _close(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    before = case.row.outcome or _DISMISSED  # of an appeal
    outcome = move.outcome or _OUTCOMES.get(step.before, before)
    return {"ended_at": case.at, "outcome": outcome}


def _defer(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    if move.until is None or move.until <= case.at:
        raise QueueError(f"say until when case {case.row.id} is deferred: a time in the future")
    return {
        "deferred_until": move.until,
        "deferrals": case.row.deferrals + 1,
        "attention_at": move.until,
    }


def _resume(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"deferred_until": None}


def _reopen(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"reopenings": case.row.reopenings + 1, "ended_at": None, "outcome": None}


def _appeal(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    return {"ended_at": None}


def _merge(case: LockedCase, move: Move, step: Step) -> dict[str, Any]:
    if move.into is None:
        raise QueueError(f"name the case that continues with the findings of case {case.row.id}")
    return {**_end(case, move, step), "merged_into": move.into}


_EFFECTS: Mapping[Action, Callable[[LockedCase, Move, Step], dict[str, Any]]] = {
    Action.CONFIRM: _confirm,
    Action.REJECT: _reject,
    Action.UNDO: _undo,
    Action.NOTICE: _stay,
    Action.CITE: _cite,
    Action.DISPATCH: _dispatch,
    Action.HANDLE: _handle,
    Action.VERIFY: _verify,
    Action.RETURN: _return,
    Action.CLOSE: _close,
    Action.DEFER: _defer,
    Action.RESUME: _resume,
    Action.APPEAL: _appeal,
    Action.REOPEN: _reopen,
    Action.WITHDRAW: _end,
    Action.MERGE: _merge,
}
