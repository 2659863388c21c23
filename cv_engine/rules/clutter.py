"""Goods, bags and rubbish left standing in a zone.

A thing is clutter when it has come to rest before the background, is neither person nor vehicle,
neither shadow nor light nor uncovered ground (``tracking/settled.py`` sees to that), and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cv_engine.rules.rule import Box, Candidate, Stays, zone_dwells
from cv_engine.tracking.thing import Settled
from zones.zone import Zone

CLUTTER = "clutter"

# Part of the thing's box that must lie in the zone.
_INSIDE_SHARE = 0.5
# Looks, and part of the looks, in which it must be there to be seen; traffic that passes the same place again
# and again looks like a thing at times.
_SEEN_SAMPLES = 3
_SEEN_SHARE = 0.5
# Confidence after one question to the detector, growing to 1 with every further one that finds
# neither person nor vehicle there.
_FIRST_DOUBT = 0.5


class ClutterRule:
    """Stays of unexplained things in the zones that watch for clutter.

    Args:
        zones: Zones on the image; those that do not watch for clutter are left out.
        dwell_s: Longest stay allowed, where a zone names none.
        gap_s: Absence that does not interrupt a stay.
        min_side_px: Smallest thing that counts, where a zone names none.
    """

    def __init__(
        self, zones: Sequence[Zone], dwell_s: float, gap_s: float, min_side_px: float
    ) -> None:
        self.dwells = zone_dwells(CLUTTER, zones, dwell_s, gap_s, lies_in, min_side_px)

    def step(self, time_s: float, at: datetime, things: Iterable[Settled]) -> Stays:
        """Takes in one look's unexplained things."""
        candidates = [
            Candidate(
                thing=thing.id,
                box=thing.box,
                began=thing.began,
                present=thing.seen == time_s,
                confidence=1.0 - _FIRST_DOUBT**thing.asked,
                attributes=_attributes(thing, time_s),
                believed=_is_believed(thing),
            )
            for thing in things
        ]
        stays = Stays()
        for dwell in self.dwells:
            stays += dwell.step(time_s, at, candidates)
        return stays


def _is_believed(thing: Settled) -> bool:
    """Whether the detector was asked and knows nothing of it, and it was there to be seen, whole."""
    return (
        thing.asked > 0
        and thing.whole
        and thing.hits >= _SEEN_SAMPLES
        and thing.share >= _SEEN_SHARE
    )


def _attributes(thing: Settled, time_s: float) -> dict[str, float]:
    """How long nobody has been near it: since its bringer left, or all along."""
    alone_since = thing.began if thing.attended is None else thing.attended
    return {"unattended_s": round(max(0.0, time_s - alone_since), 1)}


def lies_in(box: Box, polygon: BaseGeometry) -> bool:
    """Whether most of a thing's box lies in a polygon, both in pixels of the frame."""
    x1, y1, x2, y2 = (float(value) for value in np.asarray(box))
    outline = shapely.box(x1, y1, x2, y2)
    if outline.area <= 0:
        return False
    return bool(polygon.intersection(outline).area >= _INSIDE_SHARE * outline.area)
