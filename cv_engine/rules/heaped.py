"""Bicycles and motorcycles heaped: many that stand close together in a zone.

Vehicles whose boxes lie within a few box widths of each other form a heap; a heap with enough
vehicles is one violation, however many more are added. The stay starts with the vehicle that made
the heap large enough, and lasts while the heap stays so, whichever vehicles come and go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from cv_engine.rules.confidence import of_vehicle
from cv_engine.rules.rule import Perceived, Rule, RuleSettings
from cv_engine.rules.stays import Box, Candidate, ZoneDwell
from cv_engine.rules.vehicles import NON_MOTOR_VEHICLES, stands_in
from cv_engine.section import Count, Seconds, Unit
from zones.settings import NumberSetting

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from cv_engine.tracking.still import Still

Widths = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, strict=True),
    Unit("a number of box widths above 0", "1.0"),
]
_AT_LEAST = "heap_at_least"
_WITHIN = "heap_within_widths"


class HeapedSettings(RuleSettings):
    """Bicycles and motorcycles heaped in a zone."""

    dwell_s: Seconds = 600.0
    at_least: Count = 5
    within_widths: Widths = 1.0


class HeapedRule(Rule):
    """Stays of heaps of bicycles and motorcycles."""

    kind = "non_motor_vehicles_heaped"
    section = "heaped"
    settings_type = HeapedSettings
    vehicles = NON_MOTOR_VEHICLES
    middle_still = True
    zone_settings: ClassVar[Mapping[str, NumberSetting]] = {
        _AT_LEAST: NumberSetting("vehicles", "5"),
        _WITHIN: NumberSetting("box widths", "1.5"),
    }

    @staticmethod
    def inside(box: Box, polygon: BaseGeometry) -> bool:
        """Always: the vehicles of a heap stand in the zone, even where its box does not."""
        return True

    def candidates(self, seen: Perceived, dwell: ZoneDwell) -> Iterable[Candidate]:
        """The heaps in a zone that are large enough."""
        assert isinstance(self.settings, HeapedSettings)
        at_least = round(dwell.zone.number(_AT_LEAST, self.settings.at_least))
        within = dwell.zone.number(_WITHIN, self.settings.within_widths)
        standing = [
            track
            for track in seen.standing(NON_MOTOR_VEHICLES)
            if dwell.smallest.counts(track.box) and stands_in(track.box, dwell.zone.polygon)
        ]
        numbers: set[int] = set()
        for heap in sorted(_heaps(standing, within), key=len, reverse=True):
            if len(heap) >= at_least:
                box = _hull(heap)
                number = _number(heap, box, dwell, numbers)
                numbers.add(number)
                yield _candidate(number, heap, box, at_least, seen.time_s)


def _candidate(
    number: int, heap: Sequence[Still], box: Box, at_least: int, time_s: float
) -> Candidate:
    return Candidate(
        thing=number,
        box=box,
        began=sorted(track.began for track in heap)[at_least - 1],
        present=any(track.seen == time_s for track in heap),
        confidence=of_vehicle(
            sorted((track.confidence for track in heap), reverse=True)[at_least - 1]
        ),
        attributes={"vehicles": len(heap)},
    )


def _number(heap: Sequence[Still], box: Box, dwell: ZoneDwell, taken: set[int]) -> int:
    """The number of the heap that stood at the place before, else that of the oldest vehicle."""
    before = [thing for thing, (_, seen) in dwell.stays.items() if _gap(box, seen.box) == 0]
    return next(n for n in [*before, *sorted(track.id for track in heap)] if n not in taken)


def _hull(heap: Sequence[Still]) -> Box:
    """The box around all vehicles of a heap."""
    boxes = np.stack([track.box for track in heap])
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _heaps(standing: Sequence[Still], within: float) -> list[list[Still]]:
    """Vehicles joined where the gap between two is at most so many of their mean widths."""
    heaps: list[list[Still]] = []
    for track in standing:
        near = [heap for heap in heaps if any(_is_near(track, other, within) for other in heap)]
        heaps = [heap for heap in heaps if all(heap is not each for each in near)]
        heaps.append([track, *(other for heap in near for other in heap)])
    return heaps


def _is_near(one: Still, other: Still, within: float) -> bool:
    width = float(one.box[2] - one.box[0] + other.box[2] - other.box[0]) / 2
    return _gap(one.box, other.box) <= within * width


def _gap(one: Box, other: Box) -> float:
    """Distance between two boxes, pixels; 0 where they touch."""
    apart = np.maximum(one[:2] - other[2:], other[:2] - one[2:])
    return float(np.hypot(*np.maximum(apart, 0)))
