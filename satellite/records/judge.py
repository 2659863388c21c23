"""Judge: whether a changed building had leave to be built, and whether it becomes a case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

import shapely
from shapely import STRtree
from shapely.geometry import MultiPolygon, Polygon

from satellite.errors import SatelliteError
from satellite.records.camera_coverage import Sight
from satellite.records.permits import (
    DEMOLITION,
    Exemption,
    Permit,
    PlanningZone,
    SeasonalGround,
)
from satellite.vector.change_types import Sort
from zones.camera import Camera, only_areas

Outcome = Literal["unpermitted", "permitted", "exempt", "seasonal", "not_filed"]

#: The sorts of change that become cases: what was built. Bare ground never does, it is no building.
FILED_SORTS: tuple[Sort, ...] = ("new", "extension")
#: A demolition becomes a case only where it is asked for and at least so sure: a roof that a
#: shadow or snow hides looks the same.
DEMOLITION_CONFIDENCE = 0.9
#: The part of a footprint that must lie inside a permit, an exempt area or seasonal fields. The
#: outline of a detected building is good to a pixel or two, which is up to a fifth of a small one.
MOST = 0.8

# The part of a footprint from which a permit is its own: a neighbour's is touched by less, as far as
# the outline is wrong.
_OWN = 0.05
_BARE_GROUND: Sort = "bare_ground"
_DEMOLITION: Sort = "demolition"


class _Ground(Protocol):
    @property
    def polygon(self) -> Polygon | MultiPolygon: ...


_Area = TypeVar("_Area", bound=_Ground)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the city's records say of a changed building.

    Attributes:
        outcome: ``"unpermitted"`` becomes a case; ``"permitted"``, ``"exempt"``, ``"seasonal"`` and
            ``"not_filed"`` (a sort of change that becomes none) do not.
        reason: The same for people, such as ``"permit 2026-0117"``.
        permits: Numbers of the permits that cover some of it, the largest part first.
        outside_m2: Area outside these permits, square metres; all of it where there is none.
        planning: Name of the planning zone in which most of it lies; ``None`` if in none.
        building: Whether that zone allows building; ``None`` if unknown.
        seen_by: Names of the cameras that see the place.
        may_be_seen_by: Names of cameras of which only the position is known, and that it is near.
        allowed: The ground of these permits, WGS 84; ``None`` where there is none.
    """

    outcome: Outcome
    reason: str
    permits: tuple[str, ...]
    outside_m2: float
    planning: str | None
    building: Literal["allowed", "forbidden"] | None
    seen_by: tuple[str, ...] = ()
    may_be_seen_by: tuple[str, ...] = ()
    allowed: Polygon | MultiPolygon | None = None

    @property
    def files(self) -> bool:
        """Whether it becomes a case."""
        return self.outcome == "unpermitted"

    @property
    def blind_spot(self) -> bool:
        """Whether surely no camera sees the place."""
        return not self.seen_by and not self.may_be_seen_by

    @property
    def attributes(self) -> dict[str, Any]:
        """The verdict as JSON values of a case."""
        return {
            "permits": list(self.permits),
            "outside_permit_m2": round(self.outside_m2, 1),
            "planning_zone": self.planning,
            "planning_building": self.building,
            "seen_by": list(self.seen_by),
            "may_be_seen_by": list(self.may_be_seen_by),
            "blind_spot": self.blind_spot,
        }


class Judge:
    """Judges changed buildings by what the city knows of the ground.

    Args:
        permits: Building permits.
        planning: Planning zones.
        exempt: Areas whose buildings are let be.
        cameras: The city's cameras.
        seasonal: Fields whose greenhouses, plastic mulch and harvest come and go.
        filed_sorts: The sorts of change that become cases.
        frames: Width and height of cameras' frames, by name (see :class:`~satellite.sight.Sight`).

    Raises:
        SatelliteError: A sort is unknown, or is no building.
    """

    def __init__(
        self,
        permits: Sequence[Permit] = (),
        planning: Sequence[PlanningZone] = (),
        exempt: Sequence[Exemption] = (),
        cameras: Sequence[Camera] = (),
        *,
        seasonal: Sequence[SeasonalGround] = (),
        filed_sorts: Collection[str] = FILED_SORTS,
        frames: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        for sort in filed_sorts:
            _check_sort(sort)
        self._permits = _Layer(permits)
        self._planning = _Layer(planning)
        self._exempt = _Layer(exempt)
        self._seasonal = _Layer(seasonal)
        self._sight = Sight(cameras, frames)
        self._filed_sorts = frozenset(filed_sorts)

    def judge(
        self,
        polygon: Polygon | MultiPolygon,
        sort: Sort,
        before: datetime,
        after: datetime,
        *,
        area_m2: float,
        confidence: float = 1.0,
    ) -> Verdict:
        """Judges a changed building.

        Args:
            polygon: Its footprint, WGS 84, longitude first.
            sort: What kind of change it is.
            before: When the earlier image was taken, timezone-aware.
            after: When the later one was. A permit counts if it was valid on any day between.
            area_m2: Of the footprint, square metres.
            confidence: Of the change, 0 to 1.
        """
        permits = self._valid_permits(polygon, sort, _day(before), _day(after))
        inside = _share(polygon, permits)
        outcome, reason = self._outcome(polygon, sort, confidence, permits, inside)
        zone = max(
            self._planning.touching(polygon),
            key=lambda each: _shared(polygon, each.polygon),
            default=None,
        )
        seen, perhaps = self._sight.of(polygon)
        return Verdict(
            outcome=outcome,
            reason=reason,
            permits=_numbers(permits),
            outside_m2=max(0.0, (1.0 - inside) * area_m2),
            planning=zone.name if zone else None,
            building=zone.building if zone else None,
            seen_by=tuple(seen),
            may_be_seen_by=tuple(perhaps),
            allowed=only_areas(shapely.union_all([e.polygon for e in permits]))
            if permits
            else None,
        )

    def _valid_permits(
        self, polygon: Polygon | MultiPolygon, sort: Sort, first: date, last: date
    ) -> list[Permit]:
        """The permits that cover some of a footprint, the one with the largest part first."""
        found = [
            permit
            for permit in self._permits.touching(polygon)
            if permit.valid(first, last)
            and (permit.kind == DEMOLITION) == (sort == _DEMOLITION)
            and _shared(polygon, permit.polygon) >= _OWN * polygon.area
        ]
        return sorted(found, key=lambda each: -_shared(polygon, each.polygon))

    def _outcome(
        self,
        polygon: Polygon | MultiPolygon,
        sort: Sort,
        confidence: float,
        permits: Sequence[Permit],
        inside: float,
    ) -> tuple[Outcome, str]:
        if sort not in self._filed_sorts:
            return "not_filed", f"{sort.replace('_', ' ')}: not a sort of change that is filed"
        if sort == _DEMOLITION and confidence < DEMOLITION_CONFIDENCE:
            return "not_filed", f"demolition, but only {confidence:.2f} sure"
        exempt = self._exempt.touching(polygon)
        if _share(polygon, exempt) >= MOST:
            return "exempt", f"exempt: {', '.join(_largest_first(polygon, exempt))}"
        if inside >= MOST:
            return "permitted", f"permit {', '.join(_numbers(permits))}"
        seasonal = self._seasonal.touching(polygon)
        if _share(polygon, seasonal) >= MOST:
            return "seasonal", f"seasonal: {', '.join(dict.fromkeys(e.cover for e in seasonal))}"
        if permits:
            return "unpermitted", f"partly outside permit {', '.join(_numbers(permits))}"
        return "unpermitted", "no permit"


class _Layer(Generic[_Area]):
    """Areas, found by place."""

    def __init__(self, areas: Sequence[_Area]) -> None:
        self._areas = areas
        self._tree = STRtree([area.polygon for area in areas])

    def touching(self, polygon: Polygon | MultiPolygon) -> list[_Area]:
        return [self._areas[i] for i in sorted(self._tree.query(polygon, predicate="intersects"))]


def _check_sort(sort: str) -> None:
    if sort not in get_args(Sort):
        raise SatelliteError(
            f"{sort!r} is no sort of change: known are {', '.join(get_args(Sort))}; cases are filed of "
            f"{' and '.join(FILED_SORTS)} where nothing else is asked for"
        )
    if sort == _BARE_GROUND:
        raise SatelliteError(
            f"{sort!r} cannot become a case: cleared ground is no building yet; remove it from the "
            "sorts that are filed, the layers show it all the same"
        )


def _share(polygon: Polygon | MultiPolygon, areas: Sequence[_Ground]) -> float:
    """The part of a polygon that lies inside any of some areas, 0 to 1."""
    if not areas:
        return 0.0
    # A ratio of areas does not change with the scale of the two axes: degrees will do.
    return _shared(polygon, shapely.union_all([area.polygon for area in areas])) / polygon.area


def _shared(polygon: Polygon | MultiPolygon, other: shapely.Geometry) -> float:
    return float(shapely.intersection(polygon, other).area)


def _numbers(permits: Sequence[Permit]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(permit.number for permit in permits))


def _largest_first(polygon: Polygon | MultiPolygon, areas: Sequence[Exemption]) -> list[str]:
    ordered = sorted(areas, key=lambda each: -_shared(polygon, each.polygon))
    return list(dict.fromkeys(each.reason for each in ordered))


def _day(at: datetime) -> date:
    if at.tzinfo is None:
        raise SatelliteError(f"the image's time {at.isoformat()} has no time zone: give one")
    return at.astimezone(UTC).date()
