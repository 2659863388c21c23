"""Reading a sensor's message: JSON of any vendor, by JSON pointers (RFC 6901)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cv_engine.sensors.condition import Condition
from cv_engine.sensors.errors import MessageError
from cv_engine.sensors.report import Position, Report, TimeFrom

LARGEST_MESSAGE: Final = 64 * 1024  # bytes; messages of sensors have some hundred
_LONGEST_NAME = 200  # characters of a device's id, as of a camera's name
_LARGEST_SEQUENCE = 2**53  # numbers beyond are not exact in JSON
_MILLISECONDS_FROM = 1e11  # seconds since 1970 reach this in the year 5138: larger ones are ms
_NO_EVENT = "heartbeat"  # the device lives, and says nothing about its condition
_EVENTS: Final = {
    **{each.value: each for each in Condition if each is not Condition.SILENT},
    _NO_EVENT: None,
}

#: The fields that a message may have, each with the pointer to it in the payload of this program.
FIELDS: Final = {
    "device": "/device",
    "time": "/time",
    "sequence": "/sequence",
    "event": "/event",
    "tilt_deg": "/tilt_deg",
    "displaced": "/displaced",
    "acceleration_g": "/acceleration_g",
    "battery_pct": "/battery_pct",
    "longitude": "/position/longitude",
    "latitude": "/position/latitude",
    "accuracy_m": "/position/accuracy_m",
}
#: Least and largest value of each number.
_RANGES: Final = {
    "tilt_deg": (-180.0, 180.0),
    "acceleration_g": (0.0, 1000.0),
    "battery_pct": (0.0, 100.0),
    "longitude": (-180.0, 180.0),
    "latitude": (-90.0, 90.0),
    "accuracy_m": (0.0, 1e6),
}


@dataclass(frozen=True, slots=True)
class Payload:
    """Where a vendor's payload has what this program reads.

    Attributes:
        pointers: JSON pointer of each field; a field that is left out is not read.
        events: The vendor's name or number of an event, as text, and the event it means.
        scale: Factor of a number, such as 100 for a battery from 0 to 1.
    """

    pointers: Mapping[str, str] = field(default_factory=lambda: FIELDS)
    events: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClockBounds:
    """How far a device's time may be from the time of receipt.

    Attributes:
        ahead_s: Seconds ahead. A minute is more than a clock set by the network is off.
        behind_s: Seconds behind. The time for which the broker or the device may have kept the
            message; two hours cover a restart of the program, and find a clock that is a time zone
            off.
    """

    ahead_s: float = 60.0
    behind_s: float = 7200.0


def read_report(data: bytes, payload: Payload, received: datetime, bounds: ClockBounds) -> Report:
    """Read one message.

    The report's time is the device's, or the time of receipt where the device gives none or its
    clock is off; ``time_from`` says which.

    Args:
        data: The message's payload.
        payload: Where the payload has what.
        received: When the message arrived, timezone-aware.
        bounds: How far the device's time may be off.

    Raises:
        MessageError: The payload is no JSON object, names no device, or has a value that cannot be.
    """
    values = _Values(_object(data), payload)
    device = values.text("device")
    if not device.isprintable() or not device.strip() or len(device) > _LONGEST_NAME:
        raise MessageError("no_device", "the device's id is empty, unprintable or too long")
    sequence = values.whole("sequence")
    given = _time(values.get("time"))
    at, time_from = _believed(given, received, bounds)
    tilt = values.number("tilt_deg")
    return Report(
        device=device,
        at=at,
        received=received,
        time_from=time_from,
        sequence=sequence,
        event=values.event(),
        tilt_deg=None if tilt is None else abs(tilt),
        displaced=values.flag("displaced"),
        acceleration_g=values.number("acceleration_g"),
        battery_pct=values.number("battery_pct"),
        position=_position(values),
        identity=_digest(data),
        numbered=sequence is not None or values.get("time") is not None,
    )


def find(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901); ``None`` where there is none."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit():
            value = value[int(name)] if len(name) < 10 and int(name) < len(value) else None
        else:
            return None
    return value


@dataclass(frozen=True, slots=True)
class _Values:
    """The fields of one message."""

    content: dict[str, Any]
    payload: Payload

    def get(self, name: str) -> Any:
        pointer = self.payload.pointers.get(name)
        return None if pointer is None else find(self.content, pointer)

    def text(self, name: str) -> str:
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise MessageError("no_device", f"the message has no {name} that is a text")
        return str(value)

    def number(self, name: str) -> float | None:
        value = self.get(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        number *= self.payload.scale.get(name, 1.0)
        low, high = _RANGES[name]
        if not low <= number <= high:
            raise MessageError(
                "bad_value", f"{name} {value!r:.60} is not within {low:g} to {high:g}"
            )
        return number

    def whole(self, name: str) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise MessageError("bad_value", f"{name} {value!r:.60} is not a whole number")
        if not 0 <= value <= _LARGEST_SEQUENCE:
            raise MessageError("bad_value", f"{name} {value!r:.60} is negative or too large")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.get(name)
        if value is None:
            return None
        if value not in (True, False) or not isinstance(value, bool | int):
            raise MessageError("bad_value", f"{name} {value!r:.60} is not true or false")
        return bool(value)

    def event(self) -> Condition | None:
        value = self.get("event")
        if value is None:
            return None
        name = self.payload.events.get(str(value), str(value))
        if name not in _EVENTS:
            known = ", ".join(_EVENTS)
            raise MessageError("bad_value", f"event {value!r:.60} is unknown; known: {known}")
        return _EVENTS[name]


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST_MESSAGE:
        raise MessageError("too_large", f"the message has more than {LARGEST_MESSAGE} bytes")
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("not_json", f"the message is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise MessageError("not_json", "the message is not a JSON object")
    return content


def _time(value: Any) -> datetime | None:
    """The device's time: ISO 8601 (UTC without an offset), or Unix time in s or ms."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read
            return aware.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _believed(
    given: datetime | None, received: datetime, bounds: ClockBounds
) -> tuple[datetime, TimeFrom]:
    if given is None:
        return received, "receipt"
    ahead_s = (given - received).total_seconds()
    if -bounds.behind_s <= ahead_s <= bounds.ahead_s:
        return given, "device"
    return received, "receipt"


def _position(values: _Values) -> Position | None:
    longitude, latitude = values.number("longitude"), values.number("latitude")
    if (longitude is None) != (latitude is None):
        raise MessageError("bad_value", "a position has longitude and latitude, or neither")
    if longitude is None or latitude is None or longitude == latitude == 0.0:
        return None  # receivers without a fix report 0, 0
    return Position(longitude, latitude, values.number("accuracy_m"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
