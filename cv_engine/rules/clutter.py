"""Goods, bags and rubbish left standing in a zone.

A thing is clutter when it has come to rest before the background, is neither person nor vehicle,
neither shadow nor light nor uncovered ground (see ``tracking/settled.py``), and stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cv_engine.rules.confidence import of_thing
from cv_engine.rules.rule import Perceived, Rule, RuleSettings
from cv_engine.rules.stays import Box, Candidate, ZoneDwell
from cv_engine.section import Seconds

if TYPE_CHECKING:
    from cv_engine.tracking.thing import Settled

# Part of the thing's box that must lie in the zone.
_INSIDE_SHARE = 0.5
# Number and share of the samples in which the thing must be visible: traffic that passes the same
# place again and again resembles a thing at times.
_SEEN_SAMPLES = 3
_SEEN_SHARE = 0.5
# Probability from which there is a thing rather than none.
_LIKELY = 0.5


class ClutterSettings(RuleSettings):
    """Goods, bags and rubbish left standing in a zone."""

    dwell_s: Seconds = 600.0


class ClutterRule(Rule):
    """Stays of unexplained things."""

    kind = "clutter"
    section = "clutter"
    settings_type = ClutterSettings
    reads_settled = True

    @staticmethod
    def inside(box: Box, polygon: BaseGeometry) -> bool:
        """Whether most of a thing's box lies in a polygon, both in pixels of the frame."""
        x1, y1, x2, y2 = (float(value) for value in np.asarray(box))
        outline = shapely.box(x1, y1, x2, y2)
        if outline.area <= 0:
            return False
        return bool(polygon.intersection(outline).area >= _INSIDE_SHARE * outline.area)

    def candidates(self, seen: Perceived, _: ZoneDwell) -> Iterable[Candidate]:
        """The settled things, with how long each has been unattended."""
        return [
            Candidate(
                thing=thing.id,
                box=thing.box,
                began=thing.began,
                present=thing.seen == seen.time_s,
                confidence=of_thing(thing.confidence),
                attributes=_attributes(thing, seen.time_s),
                believed=_is_believed(thing),
            )
            for thing in seen.settled
        ]


def _is_believed(thing: Settled) -> bool:
    """Whether the detector was asked without result, and the thing is likely and seen whole."""
    return (
        thing.asked > 0
        and thing.whole
        and thing.hits >= _SEEN_SAMPLES
        and thing.share >= _SEEN_SHARE
        and thing.confidence >= _LIKELY
    )


def _attributes(thing: Settled, time_s: float) -> dict[str, float]:
    """How long no person has been near the thing, seconds."""
    alone_since = thing.began if thing.attended is None else thing.attended
    return {"unattended_s": round(max(0.0, time_s - alone_since), 1)}
