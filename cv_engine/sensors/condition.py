"""Condition of a thing with a sensor: a pure state machine with hysteresis and damping.

A fault opens when it is reported several times within a window, or once and not denied for a while;
an open fault only becomes worse, and ends when a report without a fault is followed by a quiet
time. A device that alternates at any rate therefore opens at most one fault per quiet time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class Condition(StrEnum):
    """The condition of a device."""

    NORMAL = "normal"
    BOUNCING = "bouncing"
    TILTED = "tilted"
    MOVED = "moved"
    LOST = "lost"
    SILENT = "silent"


#: The faults, the least severe first: a cover that is gone is a hole in the street.
FAULTS: Final = (Condition.BOUNCING, Condition.TILTED, Condition.MOVED, Condition.LOST)
_SEVERITY: Final = {each: number for number, each in enumerate((Condition.NORMAL, *FAULTS))}


@dataclass(frozen=True, slots=True)
class Damping:
    """When a fault opens and ends.

    Attributes:
        enter_s: Seconds after which one report of a fault, not denied since, opens the fault. Half
            a minute is longer than a vehicle stands on a cover or a person lifts one by accident.
        enter_reports: Reports of a fault within ``window_s`` that open the fault at once, also
            where reports in between deny the fault.
        window_s: Seconds for which a report counts. Ten minutes: a device on a loose cover reports
            with every vehicle.
        quiet_s: Seconds without a fault after which the fault has ended. Half an hour: a repair
            takes as long, and a loose cover rests at times.
    """

    enter_s: float = 30.0
    enter_reports: int = 3
    window_s: float = 600.0
    quiet_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one report says about the condition.

    Attributes:
        at: When the device said so.
        worst: The most severe fault shown; ``NORMAL`` where none is.
        denied: The faults that the report excludes. A report of the tilt alone excludes no move.
        values: JSON values for people: ``tilt_deg``, ``moved_m``.
    """

    at: datetime
    worst: Condition
    denied: frozenset[Condition] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A report of a fault worse than the open one.

    Attributes:
        condition: The fault.
        at: When the device said so.
        denied: Whether a later report excluded the fault.
        values: JSON values for people.
    """

    condition: Condition
    at: datetime
    denied: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """State of the machine.

    Attributes:
        condition: The open fault; ``NORMAL`` where none is open.
        clear_at: When the first report without a fault came, after which none showed one.
        evidence: Reports of faults worse than the open one, the oldest first; bounded by
            ``Damping.enter_reports`` for each fault.
    """

    condition: Condition = Condition.NORMAL
    clear_at: datetime | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the condition.

    Attributes:
        before: The condition before.
        after: The condition after.
        at: When the new condition began.
        values: JSON values for people, of the newest report that shows the condition.
    """

    before: Condition
    after: Condition
    at: datetime
    values: Mapping[str, Any] = field(default_factory=dict)


def observe(fault: Fault, reading: Reading, damping: Damping) -> tuple[Fault, tuple[Change, ...]]:
    """The state after a reading, and the changes up to then.

    Args:
        fault: The state before; readings come in the order of their times.
        reading: The reading.
        damping: When a fault opens and ends.
    """
    fault, changes = advance(fault, reading.at, damping)
    evidence = tuple(
        replace(each, denied=True) if each.condition in reading.denied else each
        for each in fault.evidence
    )
    if reading.worst is Condition.NORMAL:
        clear_at = fault.clear_at
        if fault.condition in reading.denied and clear_at is None:
            clear_at = reading.at
        return replace(fault, evidence=evidence, clear_at=clear_at), changes
    if _is_worse(reading.worst, fault.condition):
        since = reading.at - timedelta(seconds=damping.window_s)
        new = Evidence(reading.worst, reading.at, values=reading.values)
        evidence = (*(each for each in evidence if each.at > since), new)
    fault, more = _open(replace(fault, evidence=evidence, clear_at=None), reading.at, damping)
    return fault, changes + more


def advance(fault: Fault, to: datetime, damping: Damping) -> tuple[Fault, tuple[Change, ...]]:
    """The state at a time up to which no more readings come, and the changes up to then."""
    fault, changes = _open(fault, to, damping)
    if fault.clear_at is None or (to - fault.clear_at).total_seconds() < damping.quiet_s:
        return fault, changes
    ended = Change(fault.condition, Condition.NORMAL, fault.clear_at)
    return Fault(), (*changes, ended)


def due(fault: Fault, damping: Damping) -> datetime | None:
    """The next time at which the state changes without a reading, if any."""
    times = [
        each.at + timedelta(seconds=damping.enter_s) for each in fault.evidence if not each.denied
    ]
    if fault.clear_at is not None:
        times.append(fault.clear_at + timedelta(seconds=damping.quiet_s))
    return min(times, default=None)


def _open(fault: Fault, to: datetime, damping: Damping) -> tuple[Fault, tuple[Change, ...]]:
    """Open the most severe fault for which there is enough evidence."""
    for condition in reversed(FAULTS):
        if not _is_worse(condition, fault.condition):
            break
        shown = [each for each in fault.evidence if not _is_worse(condition, each.condition)]
        lasting = [each for each in shown if not each.denied]
        lasts = bool(lasting) and (to - lasting[0].at).total_seconds() >= damping.enter_s
        if lasts or len(shown) >= damping.enter_reports:
            began = shown[0] if len(shown) >= damping.enter_reports else lasting[0]
            left = tuple(each for each in fault.evidence if _is_worse(each.condition, condition))
            change = Change(fault.condition, condition, began.at, shown[-1].values)
            return Fault(condition, None, left), (change,)
    return fault, ()


def _is_worse(one: Condition, other: Condition) -> bool:
    return _SEVERITY[one] > _SEVERITY[other]
