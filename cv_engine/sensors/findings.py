"""From changes of a device's condition to findings and their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from cv_engine.cases.filing.overlap import SENSOR_BASIS
from cv_engine.finding import Finding, Place
from cv_engine.sensors.condition import Change, Condition
from cv_engine.sensors.device import Device
from cv_engine.sensors.effect import Effect, Opened
from cv_engine.sensors.report import Position

#: The kind of a maintenance case: a device that sends nothing.
SILENT_KIND: Final = "sensor_silent"
_CONFIDENCE = 1.0  # a device states its condition, and damping has removed what it took back
_APART = timedelta(seconds=1)  # starts closer than this would give two findings one key
_FAULT, _SILENCE = "fault", "silence"


def with_effects(
    device: Device, changes: Sequence[Change], now: datetime, seen_every_s: float
) -> Device:
    """The device, with what its changes of condition do to the queue.

    A fault that becomes worse is a further finding, which joins the case of the first.

    Args:
        device: The device after the changes.
        changes: The changes, in order.
        now: The time.
        seen_every_s: Seconds after which an open case learns that the fault lasts.
    """
    for change in changes:
        about = _SILENCE if Condition.SILENT in (change.before, change.after) else _FAULT
        opened = device.state.opened.get(about)
        if about == _SILENCE and change.after is not Condition.SILENT:
            device = _end(device, about, change, "the device sends again")
        elif change.after is Condition.NORMAL:
            device = _end(device, about, change, "the device reports that all is normal")
        else:
            device = _file(device, about, _finding(device, change, opened, now), opened)
    return _still_there(device, seen_every_s)


def _finding(device: Device, change: Change, opened: Opened | None, now: datetime) -> Finding:
    silent = change.after is Condition.SILENT
    began = change.at if opened is None else max(change.at, opened.began + _APART)
    applied = device.state.applied_at
    observed = now if silent or applied is None else applied
    place = device.place
    point = {"type": "Point", "coordinates": [place.longitude, place.latitude]}
    return Finding(
        kind=SILENT_KIND if silent else device.kind,
        source=device.id,
        zone=device.zone,
        place=Place(point, place.accuracy_m, SENSOR_BASIS),
        began=began,
        observed=max(began, observed),
        confidence=_CONFIDENCE,
        attributes=_attributes(device, change),
    )


def _attributes(device: Device, change: Change) -> dict[str, Any]:
    state = device.state
    attributes: dict[str, Any] = {
        "what": _what(change),
        "condition": change.after.value,
        **change.values,
        "battery_pct": state.battery_pct,
        "last_message": None if device.seen_at is None else device.seen_at.isoformat(),
    }
    if change.after is Condition.SILENT:
        attributes["device_kind"] = device.kind
    if state.last_position is not None:
        attributes["last_position"] = {
            **_coordinates(state.last_position.position),
            "at": state.last_position.at.isoformat(),
        }
    return {name: value for name, value in attributes.items() if value is not None}


def _coordinates(position: Position) -> dict[str, Any]:
    return {
        "longitude": position.longitude,
        "latitude": position.latitude,
        "accuracy_m": position.accuracy_m,
    }


def _what(change: Change) -> str:
    """What happened, in words."""
    values: Mapping[str, Any] = change.values
    if change.after is Condition.SILENT:
        return f"no message since {change.at.isoformat(timespec='seconds')}"
    if change.after is Condition.TILTED and "tilt_deg" in values:
        return f"tilted {values['tilt_deg']:.0f} degrees"
    if change.after is Condition.MOVED and values.get("moved_m"):
        return f"moved {values['moved_m']} m"
    if change.after is Condition.LOST and values.get("moved_m"):
        return f"taken, reported {values['moved_m']} m away"
    if change.after is Condition.BOUNCING and "acceleration_g" in values:
        return f"bouncing with {values['acceleration_g']:.1f} g"
    return "taken" if change.after is Condition.LOST else change.after.value


def _file(device: Device, about: str, finding: Finding, opened: Opened | None) -> Device:
    effects: tuple[Effect, ...] = ()
    if opened is not None:
        # A finding joins the case that was there at its start.
        effects = (Effect("seen", finding.began, opened.key),)
    effects = (*effects, Effect("file", finding.began, finding=finding))
    new = Opened(finding.key, finding.began, finding.observed)
    return _with(device, {**device.state.opened, about: new}, effects)


def _end(device: Device, about: str, change: Change, note: str) -> Device:
    opened = device.state.opened.get(about)
    if opened is None:
        return device
    left = {name: each for name, each in device.state.opened.items() if name != about}
    return _with(
        device, left, (Effect("gone", max(change.at, opened.began), opened.key, note=note),)
    )


def _still_there(device: Device, every_s: float) -> Device:
    """The device; with an effect where the queue has not heard of an open fault for a while."""
    opened, applied = device.state.opened.get(_FAULT), device.state.applied_at
    if opened is None or applied is None or device.state.fault.clear_at is not None:
        return device
    if (applied - opened.recorded_at).total_seconds() < every_s:
        return device
    known = {**device.state.opened, _FAULT: replace(opened, recorded_at=applied)}
    return _with(device, known, (Effect("seen", applied, opened.key),))


def _with(device: Device, opened: Mapping[str, Opened], effects: tuple[Effect, ...]) -> Device:
    state = device.state
    return replace(device, state=replace(state, opened=opened, effects=(*state.effects, *effects)))
