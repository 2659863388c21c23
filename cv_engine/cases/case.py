"""Case: a filed finding with a class of the taxonomy, a state and an append-only history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cv_engine.cases.lifecycle import State
from cv_engine.cases.taxonomy import Priority
from cv_engine.finding import Place


class Event(StrEnum):
    """Kind of an entry of the history."""

    FILED = "filed"  # a finding opened the case
    JOINED = "joined"  # another finding of the same thing was added to it
    GONE = "gone"  # the thing is gone; the state stays the same
    EVIDENCE = "evidence"  # an evidence folder was added after filing
    STATE = "state"  # the state changed
    ASSIGNED = "assigned"  # another department, team or officer
    EXTENDED = "extended"  # 延期: another deadline
    PRIORITY = "priority"  # more or less urgent
    WARNED = "warned"  # the deadline comes near
    ESCALATED = "escalated"  # the deadline has passed
    MERGED = "merged"  # the findings of another case were added to this one
    SPLIT = "split"  # findings of this case went to another one
    NOTICE = "notice"  # what became of the driver's notice
    NOTED = "noted"  # a person's note
    PURGED = "purged"  # evidence was deleted, by a rule or at a person's request
    ERASED = "erased"  # a plate was removed from the case and its history, at a person's request


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
        gone_at: When the thing was first known to be gone (UTC); ``None`` while it may be there.
        confidence: 0 to 1, the highest of all findings joined.
        attributes: The first finding's own values; for a site that grew, ``area_m2`` is the area
            of the present place, and ``outside_permit_m2`` the area of it without a permit.
        evidence: Evidence folder's name, the first that was filed.
        state: State of the case.
        filed_at: When the case was filed (UTC), by the clock of the machine that filed it.
        version: Number of entries of the history; a change of the case raises it.
        priority: How soon the case is handled.
        handling: Who has to act, and by when.
        result: What became of the case so far.
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
    gone_at: datetime | None
    confidence: float
    attributes: Mapping[str, Any]
    evidence: str | None
    state: State
    filed_at: datetime
    version: int = 1
    priority: Priority = Priority.NORMAL
    handling: Handling = field(default_factory=lambda: Handling())
    result: Result = field(default_factory=lambda: Result())

    @property
    def last_seen(self) -> datetime:
        """When the thing was last seen (UTC), as far as is known by now."""
        return self.gone_at or self.observed

    @property
    def stay_s(self) -> float | None:
        """Seconds from the start of the stay to the last moment the thing was seen.

        ``None`` of a thing in images from above: two dates say nothing of how long it stayed.
        """
        if self.place.basis == "raster":
            return None
        return (self.last_seen - self.began).total_seconds()


@dataclass(frozen=True, slots=True)
class Handling:
    """Who has to act on a case, and by when.

    Attributes:
        department: Department that the case was dispatched to.
        team: Team of the department.
        officer: Person who works on the case.
        area: Area of responsibility that holds the case's place, such as a street.
        due_at: Deadline of the present stage (UTC); ``None`` without a limit.
        close_due_at: Deadline of the whole case (UTC); ``None`` without a limit.
        deferred_until: Until when a deferred case waits (UTC).
        alert: ``"warned"`` or ``"escalated"`` in the present stage; ``None`` before.
    """

    department: str | None = None
    team: str | None = None
    officer: str | None = None
    area: str | None = None
    due_at: datetime | None = None
    close_due_at: datetime | None = None
    deferred_until: datetime | None = None
    alert: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case so far.

    Attributes:
        reason: The reason of the last verdict, of the taxonomy's list.
        outcome: How the case ended: ``"left"``, ``"warned"``, ``"cited"``, ``"handled"`` or
            ``"dismissed"``.
        merged_into: Number of the case that continues with this one's findings.
        confirmed_at: When the case was last confirmed (UTC).
        dispatched_at: When the case was last dispatched (UTC).
        handled_at: When the case was last handled (UTC).
        verified_at: When the case was last verified (UTC).
        ended_at: When the case reached its final state (UTC).
        deferrals: How often the case was deferred.
        extensions: How often its deadline was extended.
        returns: How often it was returned for rework.
        reopenings: How often it was reopened.
    """

    reason: str | None = None
    outcome: str | None = None
    merged_into: int | None = None
    confirmed_at: datetime | None = None
    dispatched_at: datetime | None = None
    handled_at: datetime | None = None
    verified_at: datetime | None = None
    ended_at: datetime | None = None
    deferrals: int = 0
    extensions: int = 0
    returns: int = 0
    reopenings: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's history; never changed, never deleted.

    Attributes:
        id: Sequential number over all cases.
        case_id: The case's number.
        seq: Number among the entries of the case, from 1.
        at: When the entry was recorded (UTC).
        event: What happened.
        by: Who acted: an officer's name, or ``"cv-engine"``.
        note: The officer's note or reason; may be empty.
        from_state: State before, for ``Event.STATE``.
        to_state: State after, for ``Event.STATE`` and ``Event.FILED``.
        data: JSON values of the event (``key``, ``evidence``, ``began``, ...).
        role: The person's role; empty where it was not recorded.
        hash: Hash of the entry and of the one before (see :mod:`cv_engine.cases.chain`).
    """

    id: int
    case_id: int
    seq: int
    at: datetime
    event: Event
    by: str
    note: str
    from_state: State | None
    to_state: State | None
    data: Mapping[str, Any] = field(default_factory=dict)
    role: str = ""
    hash: str = ""
