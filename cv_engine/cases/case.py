"""Case: a filed finding with a class of the taxonomy, a state and an append-only history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cv_engine.cases.errors import QueueError
from cv_engine.finding import Place


class State(StrEnum):
    """State of a case, from its report to its end."""

    REPORTED = "reported"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    NOTICED = "noticed"  # the driver was asked to leave
    LEFT = "left"  # the driver drove off after the notice: closed, no fine
    CITED = "cited"
    DISPATCHED = "dispatched"
    HANDLED = "handled"
    VERIFIED = "verified"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


#: States that may follow each state. A handled case that fails its verification returns to
#: dispatched; a citation can still be withdrawn, for instance after an objection.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.REPORTED: frozenset({State.CONFIRMED, State.REJECTED, State.WITHDRAWN}),
    State.CONFIRMED: frozenset({State.NOTICED, State.DISPATCHED, State.WITHDRAWN}),
    State.NOTICED: frozenset({State.LEFT, State.CITED, State.WITHDRAWN}),
    State.CITED: frozenset({State.WITHDRAWN}),
    State.DISPATCHED: frozenset({State.HANDLED, State.WITHDRAWN}),
    State.HANDLED: frozenset({State.VERIFIED, State.DISPATCHED, State.WITHDRAWN}),
    State.VERIFIED: frozenset({State.CLOSED, State.WITHDRAWN}),
    State.REJECTED: frozenset(),
    State.LEFT: frozenset(),
    State.CLOSED: frozenset(),
    State.WITHDRAWN: frozenset(),
}

#: States in which somebody still has to act; overlapping findings join only these cases.
OPEN_STATES = frozenset(
    {
        State.REPORTED,
        State.CONFIRMED,
        State.NOTICED,
        State.DISPATCHED,
        State.HANDLED,
        State.VERIFIED,
    }
)


class Event(StrEnum):
    """Kind of an entry of the history."""

    FILED = "filed"  # a finding opened the case
    JOINED = "joined"  # another finding of the same thing was added to it
    LEFT = "left"  # the thing is gone; the state stays the same
    EVIDENCE = "evidence"  # an evidence folder was added after filing
    STATE = "state"  # the state changed


def state_named(name: str) -> State:
    """The state of a name as a user types it.

    Raises:
        QueueError: There is no such state; the message lists all states.
    """
    try:
        return State(name.strip().lower())
    except ValueError as error:
        raise QueueError(f"there is no state {name!r}; known: {', '.join(State)}") from error


@dataclass(frozen=True, slots=True)
class Case:
    """One violation in the queue.

    Attributes:
        id: Sequential number, shown to people.
        key: Key of the finding that opened the case.
        kind: The violation's name (see the taxonomy).
        standard: Standard of the case's class, such as ``"GB/T 47678.5-2026"``.
        code: The class's code in that standard.
        source: Camera, satellite area or sensor.
        zone: Name of the zone.
        place: Place as first filed; for a building site, all ground found so far.
        began: When the violation began (UTC), the earliest of all findings joined.
        observed: When the violation was last seen (UTC), the latest of all findings joined.
        left_at: When the thing was first known to be gone (UTC); ``None`` while it may be there.
        confidence: 0 to 1, the highest of all findings joined.
        attributes: The first finding's own values; for a site that grew, ``area_m2`` is the area
            of the present place, and ``outside_permit_m2`` the area of it without a permit.
        evidence: Evidence folder's name, the first that was filed.
        state: State of the case.
        filed_at: When the case was filed (UTC), by the clock of the machine that filed it.
    """

    id: int
    key: str
    kind: str
    standard: str
    code: str
    source: str
    zone: str
    place: Place
    began: datetime
    observed: datetime
    left_at: datetime | None
    confidence: float
    attributes: Mapping[str, Any]
    evidence: str | None
    state: State
    filed_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's history; never changed, never deleted.

    Attributes:
        id: Sequential number over all cases.
        case_id: The case's number.
        at: When the entry was recorded (UTC).
        event: What happened.
        by: Who acted: an officer's name, or ``"cv-engine"``.
        note: The officer's note or reason; may be empty.
        from_state: State before, for ``Event.STATE``.
        to_state: State after, for ``Event.STATE`` and ``Event.FILED``.
        data: JSON values of the event (``key``, ``evidence``, ``began``, ...).
    """

    id: int
    case_id: int
    at: datetime
    event: Event
    by: str
    note: str
    from_state: State | None
    to_state: State | None
    data: Mapping[str, Any] = field(default_factory=dict)


def check_transition(case_id: int, now: State, to: State) -> None:
    """Refuse a change of state that the process does not allow.

    Args:
        case_id: The case's number, for the message.
        now: The state the case is in.
        to: The state asked for.

    Raises:
        QueueError: ``to`` cannot follow ``now``; the message lists the allowed states.
    """
    allowed = TRANSITIONS[now]
    if to in allowed:
        return
    names = ", ".join(state for state in State if state in allowed) or "none, this state is final"
    already = "already " if to == now else ""
    raise QueueError(
        f"case {case_id} is {already}{now.value}: it cannot become {to.value}; allowed: {names}"
    )
