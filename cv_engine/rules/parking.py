"""Vehicles parked where they must not be.

A vehicle is where its wheels are: the lower edge of its box, not its roof, decides whether it is
in the zone. Driving through takes no time, and a queue that moves up restarts each stay, so
neither becomes a case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cv_engine.rules.rule import Box, Candidate, Stays, zone_dwells
from cv_engine.tracking.still import Still
from zones.zone import Zone

MOTOR = "motor_vehicle_parked"
NON_MOTOR = "non_motor_vehicle_parked"

# The ground contact: a strip over the lower edge, this high and inset by this much, parts of the
# box. Boxes end a little below the wheels and mirrors reach over the kerb.
_CONTACT_HEIGHT = 0.15
_CONTACT_INSET = 0.1
# Part of the strip that must lie in the zone: half of the wheels.
_CONTACT_SHARE = 0.5


class ParkingRule:
    """Stays of standing vehicles of one kind in the zones that watch for it.

    Args:
        kind: ``"motor_vehicle_parked"`` or ``"non_motor_vehicle_parked"``.
        zones: Zones on the image; those that do not watch for the kind are left out.
        dwell_s: Longest stay allowed, where a zone names none.
        gap_s: Absence that does not interrupt a stay.
        min_side_px: Smallest vehicle that counts, where a zone names none.
    """

    def __init__(
        self, kind: str, zones: Sequence[Zone], dwell_s: float, gap_s: float, min_side_px: float
    ) -> None:
        self.dwells = zone_dwells(kind, zones, dwell_s, gap_s, stands_in, min_side_px)

    def step(self, time_s: float, at: datetime, standing: Iterable[Still]) -> Stays:
        """Takes in one look's standing vehicles."""
        candidates = [
            Candidate(
                thing=track.id,
                box=track.box,
                began=track.began,
                present=track.seen == time_s,
                confidence=track.confidence,
                attributes={"vehicle": track.name},
            )
            for track in standing
        ]
        stays = Stays()
        for dwell in self.dwells:
            stays += dwell.step(time_s, at, candidates)
        return stays


def stands_in(box: Box, polygon: BaseGeometry) -> bool:
    """Whether a vehicle's ground contact lies in a polygon, both in pixels of the frame."""
    x1, y1, x2, y2 = (float(value) for value in np.asarray(box))
    inset = _CONTACT_INSET * (x2 - x1)
    strip = shapely.box(x1 + inset, y2 - _CONTACT_HEIGHT * (y2 - y1), x2 - inset, y2)
    if strip.area <= 0:
        return False
    # Most stand well inside, which takes a tenth of the time to see.
    if polygon.covers(strip):
        return True
    return bool(polygon.intersection(strip).area >= _CONTACT_SHARE * strip.area)
