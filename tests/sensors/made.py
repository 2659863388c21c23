"""Devices, reports and messages made for the tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cv_engine.sensors.device import Device
from cv_engine.sensors.report import Position, Report

PLACE = Position(121.55, 29.87, 3.0)
DEGREE_M = 111_000  # of latitude, near enough


def at(seconds: float) -> datetime:
    """The time ``seconds`` after the start of the day."""
    return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def device(name: str = "cover-1", **more: Any) -> Device:
    """A sensor on a sewage cover."""
    given = {"kind": "manhole_cover_sewage", "zone": "west", "place": PLACE, **more}
    return Device(id=name, registered_at=at(0), **given)


def report(seconds: float, received: float | None = None, **values: Any) -> Report:
    """A report with a time of its own, received at once unless said otherwise."""
    given = {"identity": f"{seconds}{sorted(values.items())}", "numbered": True, **values}
    return Report("cover-1", at(seconds), at(seconds if received is None else received), **given)


def away(metres: float) -> Position:
    """A position north of the registered place, without an error of its own."""
    return Position(PLACE.longitude, PLACE.latitude + metres / DEGREE_M, 0.0)


def message(name: str, seconds: float | None, **values: Any) -> bytes:
    """A message in the payload of the program."""
    time = {} if seconds is None else {"time": at(seconds).isoformat()}
    return json.dumps({"device": name, **time, **values}).encode()


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = at(0)

    def __call__(self) -> datetime:
        return self.now
