"""Things before a camera, shown to a rule sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cv_engine.pipeline.perception import Frame, Perceived
from cv_engine.rules.registry import kinds as all_kinds
from cv_engine.rules.registry import vehicle_groups
from cv_engine.rules.rule import Rule
from cv_engine.rules.stays import Box, Stays, Violation
from cv_engine.scene.background import Region
from cv_engine.tracking.still import Still
from cv_engine.tracking.thing import Settled
from zones.schedule import Schedule
from zones.zone import Zone

# A Friday, 08:00 UTC: second 0 of the media.
FRIDAY = datetime(2026, 5, 1, 8, tzinfo=UTC)

# Height of the frame, pixels: a share of 0.1 is 40.
HEIGHT = 400

Corners = tuple[float, float, float, float]


def zone(
    name: str = "kerb",
    corners: Corners = (100, 100, 300, 200),
    kinds: Iterable[str] | None = None,
    schedule: str | None = None,
    **settings: Any,
) -> Zone:
    """A rectangle on the picture."""
    hours = Schedule.parse(schedule)
    return Zone(
        name,
        frozenset(all_kinds() if kinds is None else kinds),
        shapely.box(*corners),
        schedule=hours,
        **settings,
    )


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


class NoPixels:
    """A frame for rules that read no pixels."""

    def small(self, width: int, height: int) -> NDArray[np.uint8]:
        """Grey pixels, all black."""
        return np.zeros((height, width), np.uint8)

    def crop(self, box: Box) -> NDArray[np.uint8]:
        """Coloured pixels, all black."""
        x1, y1, x2, y2 = box.astype(int).tolist()
        return np.zeros((y2 - y1, x2 - x1, 3), np.uint8)


def perceived(
    things: list[Any], time_s: float, at: datetime = FRIDAY, frame: Frame | None = None
) -> Perceived:
    """A sample in which these things are at rest; every group of vehicles has all of them."""
    standing = {group.name: things for group in vehicle_groups()}
    return Perceived(time_s, at, None, things, frame or NoPixels(), standing)


def watch(
    rule: Rule,
    things: Callable[[float], list[Any]],
    samples: Iterable[float],
    start: datetime = FRIDAY,
) -> tuple[list[Violation], list[Violation]]:
    """What became due, and what of that ended, over all samples."""
    stays = Stays()
    for time_s in samples:
        at = start + timedelta(seconds=time_s)
        stays += rule.step(perceived(things(time_s), time_s, at))
    return list(stays.due), list(stays.ended)
