"""The cars of the morning: when each comes, what its plate looks like, what its driver does."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cv_engine.config.registry import RegistryConfig
from cv_engine.finding import Finding, Place
from cv_engine.registry import Kind
from cv_engine.registry.tables.importing import import_file

TIME_ZONE = "Asia/Shanghai"
BEGIN = datetime(2026, 9, 15, 7, 0, tzinfo=ZoneInfo(TIME_ZONE))
END = BEGIN + timedelta(hours=5)
#: In this time the gateway takes nothing.
DOWN = (BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=2, minutes=10))
DWELL = timedelta(minutes=5)
#: An officer confirms a case this long after it was filed.
CONFIRMED_AFTER = timedelta(minutes=1)
#: So long after a car has come, its driver is asked.
ASKED_AFTER = DWELL + CONFIRMED_AFTER
#: The driver who reads the message is back at the car after this time.
WALK = timedelta(minutes=4)
_LAST = timedelta(hours=4)  # after the begin the last car comes
_KINDS = ("leaves", "stays", "leaves", "unreadable", "exempt", "stays", "permit", "unsure")
#: How surely the plates are read.
_SURE, _UNSURE = 0.998, 0.71
CAMERAS = 4
ZONE = "pavement"


@dataclass(frozen=True, slots=True)
class Car:
    """A car of the morning.

    Attributes:
        number: Number of the car, from 0.
        kind: What is special: ``"leaves"`` when asked, ``"stays"``, plate ``"unreadable"`` or
            ``"unsure"``, ``"exempt"``, or with a ``"permit"``.
        came: When it came.
    """

    number: int
    kind: str
    came: datetime

    @property
    def plate(self) -> str:
        """Text of the plate."""
        return f"浙B{self.number:05d}"

    @property
    def phone(self) -> str:
        """Number of the driver's phone."""
        return f"138{self.number:08d}"

    @property
    def is_asked(self) -> bool:
        """Whether the driver is to get a message."""
        return self.kind in ("leaves", "stays")

    def finding(self) -> Finding:
        """What the camera finds once the car has stood for the dwell."""
        x = 200.0 * self.number  # each stands elsewhere: none joins the one before
        attributes: dict[str, object] = {"address": f"{self.number} Market Street"}
        if self.kind != "unreadable":
            confidence = _UNSURE if self.kind == "unsure" else _SURE
            attributes["plate"] = {"text": self.plate, "confidence": confidence, "layout": "blue"}
        return Finding(
            kind="motor_vehicle_parked",
            source=f"camera-{self.number % CAMERAS}",
            zone=ZONE,
            place=Place(None, None, "unknown", (x, 100.0, x + 90.0, 180.0)),
            began=self.came,
            observed=self.came + DWELL,
            confidence=0.9,
            attributes=attributes,
        )


def cars(count: int) -> list[Car]:
    """The cars of the morning, evenly over its first four hours."""
    return [
        Car(number, _KINDS[number % len(_KINDS)], BEGIN + _LAST * number / count)
        for number in range(count)
    ]


def import_cars(folder: Path, of: Sequence[Car]) -> None:
    """Import every car, and the permits, into the registries of a data folder."""
    exempt = ("exempt", "ambulance")
    vehicles = [
        (car.plate, *(exempt if car.kind == "exempt" else ("normal", "")), car.phone) for car in of
    ]
    permits = [(car.number, car.plate, ZONE) for car in of if car.kind == "permit"]
    tables: dict[Kind, list[tuple[object, ...]]] = {
        Kind.VEHICLES: [("plate", "status", "exempt_reason", "phone"), *vehicles],
        Kind.PARKING: [("number", "plate", "zone"), *permits],
    }
    settings = RegistryConfig()
    for kind, rows in tables.items():
        path = folder / f"{kind}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        keys = settings.keys(folder, {})
        import_file(settings.tables_folder(folder), kind, path, keys, BEGIN, lambda *_: None)
