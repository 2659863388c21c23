"""Device: a registered sensor and everything that the program has to remember about it.

Reports are applied in the order of their times. Each is held for a moment, so that reports that
overtook one another fall into place; what is older than the last applied report is late and says
nothing about the present. Everything here is a pure function of reports and times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cv_engine.sensors.condition import Change, Condition, Damping, Fault, advance, due, observe
from cv_engine.sensors.effect import Effect, Opened
from cv_engine.sensors.reading import Thresholds, read
from cv_engine.sensors.report import Delivery, Position, Report

_REMEMBERED = 32  # identities of a device's messages; a broker repeats at most the last few
_MOST_HELD = 32  # reports; a device that sends faster is applied without waiting


@dataclass(frozen=True, slots=True)
class Watching:
    """How devices are watched.

    Attributes:
        damping: When a fault opens and ends.
        thresholds: The measurements that show a fault.
        reorder_s: Seconds for which a report is held. Networks of sensors deliver within seconds.
        silent_s: Seconds without a message after which a device is silent: twice the usual daily
            sign of life.
    """

    damping: Damping = field(default_factory=Damping)
    thresholds: Thresholds = field(default_factory=Thresholds)
    reorder_s: float = 5.0
    silent_s: float = 172_800.0


@dataclass(frozen=True, slots=True)
class LastPosition:
    """The position that a device reported last.

    Attributes:
        position: The position.
        at: When the device was there.
    """

    position: Position
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What is remembered between two messages, kept in the device's row.

    Attributes:
        fault: The state machine of the condition.
        newest: The report with the latest time; the device's clock is read from it.
        applied_at: Time of the last applied report.
        held: Reports that are not applied yet.
        recent: Identities of the last messages, the newest last.
        battery_pct: The last known charge.
        last_position: The last known position.
        silent_since: When the last message came, of a device that is silent.
        opened: The findings that are open, by what they are about (``"fault"``, ``"silence"``).
        effects: What has to be done to the queue, in order.
    """

    fault: Fault = field(default_factory=Fault)
    newest: Report | None = None
    applied_at: datetime | None = None
    held: tuple[Report, ...] = ()
    recent: tuple[str, ...] = ()
    battery_pct: float | None = None
    last_position: LastPosition | None = None
    silent_since: datetime | None = None
    opened: Mapping[str, Opened] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A registered sensor.

    Attributes:
        id: The device's id, as in its messages.
        kind: Kind of the findings about its thing, such as ``"manhole_cover_sewage"``.
        zone: Name of the zone.
        place: Where the thing belongs.
        silent_s: Seconds without a message after which this device is silent; ``None`` for the
            configuration's.
        registered_at: When the device was registered.
        seen_at: When the last message came.
        listened_from: Since when silence counts: messages before may have been missed.
        state: What is remembered.
    """

    id: str
    kind: str
    zone: str
    place: Position
    registered_at: datetime
    silent_s: float | None = None
    seen_at: datetime | None = None
    listened_from: datetime | None = None
    state: DeviceState = DeviceState()

    @property
    def condition(self) -> Condition:
        """The condition: silent, or the open fault, or normal."""
        return self.state.fault.condition if self.state.silent_since is None else Condition.SILENT

    def heard_at(self) -> datetime:
        """The time from which silence is counted."""
        times = (self.registered_at, self.seen_at, self.listened_from)
        return max(each for each in times if each is not None)


class Outcome(StrEnum):
    """What a report was good for."""

    HELD = "held"
    DUPLICATE = "duplicate"
    LATE = "late"
    RETAINED = "retained"


Changes = tuple[Change, ...]


def receive(
    device: Device, report: Report, watching: Watching, delivery: Delivery = Delivery.FIRST
) -> tuple[Device, Changes, Outcome]:
    """The device after a message.

    Args:
        device: The device before.
        report: The message.
        watching: How devices are watched.
        delivery: How the broker delivered the message. A retained message shows no sign of life,
            and without a time that can be believed says nothing about the present.
    """
    if _is_duplicate(device.state, report, delivery):
        return device, (), Outcome.DUPLICATE
    retained = delivery is Delivery.RETAINED
    if retained and report.time_from == "receipt":
        return device, (), Outcome.RETAINED
    report = _with_stepped_clock(report, device.state)
    recent = (*device.state.recent, report.identity)[-_REMEMBERED:]
    seen_at = device.seen_at if retained else report.received
    device, changes = _heard(
        replace(device, seen_at=seen_at, state=replace(device.state, recent=recent))
    )
    state = device.state
    if state.applied_at is not None and report.at < state.applied_at:
        return device, changes, Outcome.LATE
    newest = state.newest if state.newest and state.newest.at > report.at else report
    held = tuple(sorted((*state.held, report), key=_order))
    device = replace(device, state=replace(state, held=held, newest=newest))
    to = newest.at - timedelta(seconds=watching.reorder_s)
    if len(held) > _MOST_HELD:
        to = max(to, held[-_MOST_HELD].at)
    device, more = _apply(device, to, watching)
    return device, changes + more, Outcome.HELD


def wake(device: Device, now: datetime, watching: Watching) -> tuple[Device, Changes]:
    """The device after some time without a message.

    Args:
        device: The device before.
        now: The time; every message that was sent before has arrived, or is at most
            ``reorder_s`` on its way.
        watching: How devices are watched.
    """
    changes: Changes = ()
    newest = device.state.newest
    if newest is not None:
        to = newest.at + (now - newest.received) - timedelta(seconds=watching.reorder_s)
        device, changes = _apply(device, to, watching)
        fault, more = advance(device.state.fault, to, watching.damping)
        device = replace(device, state=replace(device.state, fault=fault))
        changes += more
    state, heard_at = device.state, device.heard_at()
    is_taken = state.fault.condition is Condition.LOST
    if state.silent_since is None and not is_taken and now >= _silent_at(device, watching):
        changes += (Change(state.fault.condition, Condition.SILENT, heard_at),)
        device = replace(device, state=replace(state, silent_since=heard_at))
    return device, changes


def wake_at(device: Device, watching: Watching) -> datetime | None:
    """When the device changes by time alone, at the earliest; ``None``: not before a message."""
    state, times = device.state, list[datetime]()
    if state.silent_since is None and state.fault.condition is not Condition.LOST:
        times.append(_silent_at(device, watching))
    if state.newest is not None:
        late = timedelta(seconds=watching.reorder_s) + (state.newest.received - state.newest.at)
        waiting = [each.at for each in state.held[:1]]
        next_due = due(state.fault, watching.damping)
        times += [at + late for at in (*waiting, *([next_due] if next_due else []))]
    return min(times, default=None)


def _silent_at(device: Device, watching: Watching) -> datetime:
    silent_s = watching.silent_s if device.silent_s is None else device.silent_s
    return device.heard_at() + timedelta(seconds=silent_s)


def _is_duplicate(state: DeviceState, report: Report, delivery: Delivery) -> bool:
    """Whether a message was received before.

    A time makes a message unique. Numbers begin again when a device restarts, and messages without
    either may be equal, so those are compared with the last message only.
    """
    if report.time_from == "device":
        return report.identity in state.recent
    repeats = report.numbered or delivery is not Delivery.FIRST
    return repeats and state.recent[-1:] == (report.identity,)


def _with_stepped_clock(report: Report, state: DeviceState) -> Report:
    """The report; with the time of receipt where the device's clock was set back since."""
    newest = state.newest
    if newest is None or newest.sequence is None or report.sequence is None:
        return report
    if report.sequence > newest.sequence and report.at < newest.at:
        return replace(report, at=report.received, time_from="receipt")
    return report


def _heard(device: Device) -> tuple[Device, Changes]:
    """The device after any message: no longer silent."""
    state = device.state
    if state.silent_since is None or device.seen_at is None:
        return device, ()
    if device.seen_at <= state.silent_since:
        return device, ()
    change = Change(Condition.SILENT, state.fault.condition, device.seen_at)
    return replace(device, state=replace(state, silent_since=None)), (change,)


def _order(report: Report) -> tuple[datetime, int, str]:
    number = -1 if report.sequence is None else report.sequence
    return report.at, number, report.identity or ""


def _apply(device: Device, to: datetime, watching: Watching) -> tuple[Device, Changes]:
    """Apply the held reports up to a time of the device's clock."""
    changes: Changes = ()
    while device.state.held and device.state.held[0].at <= to:
        report, *held = device.state.held
        state = device.state
        reading = read(report, device.place, state.fault.condition, watching.thresholds)
        fault, more = observe(state.fault, reading, watching.damping)
        battery = state.battery_pct if report.battery_pct is None else report.battery_pct
        position = state.last_position
        if report.position is not None:
            position = LastPosition(report.position, report.at)
        state = replace(state, fault=fault, applied_at=report.at, held=tuple(held))
        device = replace(device, state=replace(state, battery_pct=battery, last_position=position))
        changes += more
    return device, changes
