"""Things before a camera, told to a rule look by look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely

from cv_engine.rules.rule import Stays, Violation
from cv_engine.scene.background import Region
from cv_engine.tracking.still import Still
from cv_engine.tracking.thing import Settled
from zones.schedule import Schedule
from zones.zone import Zone

# A Friday, 08:00 UTC: second 0 of the media.
FRIDAY = datetime(2026, 5, 1, 8, tzinfo=UTC)
KINDS = ("motor_vehicle_parked", "non_motor_vehicle_parked", "clutter")

Corners = tuple[float, float, float, float]


def zone(
    name: str = "kerb",
    corners: Corners = (100, 100, 300, 200),
    kinds: Iterable[str] = KINDS,
    schedule: str | None = None,
    **settings: Any,
) -> Zone:
    """A rectangle on the picture."""
    hours = Schedule.parse(schedule)
    return Zone(name, frozenset(kinds), shapely.box(*corners), schedule=hours, **settings)


def still(
    number: int = 1,
    box: Corners = (150, 110, 210, 150),
    *,
    began: float = 0.0,
    seen: float = 0.0,
    votes: dict[str, float] | None = None,
) -> Still:
    """A standing vehicle as the tracker reports it."""
    place = np.array(box, np.float32)
    return Still(
        id=number,
        box=place,
        origin=place.copy(),
        began=began,
        found=began,
        seen=seen,
        confidence=0.8,
        votes=votes or {"car": 1.0},
        confirmed=True,
    )


def settled(
    number: int = 1,
    box: Corners = (150, 110, 190, 150),
    *,
    began: float = 0.0,
    seen: float = 0.0,
    **values: Any,
) -> Settled:
    """A thing at rest as the keeper reports it."""
    known: dict[str, Any] = {"samples": 10, "hits": 10, "asked": 3}
    pixels = Region((0, 0, 8, 8), began, 64, np.ones((8, 8), np.bool_))
    return Settled(number, np.array(box, np.float32), pixels, began, seen, **(known | values))


def watch(
    step: Callable[[float, datetime, list[Any]], Stays],
    things: Callable[[float], list[Any]],
    samples: Iterable[float],
    start: datetime = FRIDAY,
) -> tuple[list[Violation], list[Violation]]:
    """What became due, and what of that ended, over all looks."""
    stays = Stays()
    for time_s in samples:
        stays += step(time_s, start + timedelta(seconds=time_s), things(time_s))
    return list(stays.due), list(stays.ended)
