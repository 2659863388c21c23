"""Judges by a city's records whether a changed building is permitted, and whether it is a case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

import shapely
from shapely import STRtree
from shapely.geometry import MultiPolygon, Polygon

from satellite.errors import SatelliteError
from satellite.records.camera_coverage import Coverage
from satellite.records.permits import (
    DEMOLITION,
    Exemption,
    Permit,
    PlanningZone,
    SeasonalGround,
)
from satellite.vector.change_types import ChangeType
from zones.camera import Camera, only_areas

Outcome = Literal[
    "no_permit",
    "expired_permit",
    "outside_permit",
    "permitted",
    "exempt",
    "seasonal",
    "not_filed",
]

#: What becomes a case.
UNPERMITTED: frozenset[Outcome] = frozenset({"no_permit", "expired_permit", "outside_permit"})

#: The change types that become cases: what was built. Bare ground never does: it is no building.
FILED_CHANGE_TYPES: tuple[ChangeType, ...] = ("new", "extension")
#: Least confidence of a demolition that becomes a case, where demolitions are filed: a roof hidden
#: by shadow or snow looks the same.
DEMOLITION_CONFIDENCE = 0.9
#: Least share of a footprint that must lie inside a permit, an exempt area or seasonal fields. The
#: outline of a detected building is good to a pixel or two: up to a fifth of a small building.
MOST = 0.8

# Least share of a footprint that a permit for the building covers. The permit of a neighbour is
# touched by less, through errors of the outline.
_OWN = 0.05
_BARE_GROUND: ChangeType = "bare_ground"
_DEMOLITION: ChangeType = "demolition"


class _Ground(Protocol):
    @property
    def polygon(self) -> Polygon | MultiPolygon: ...


_Area = TypeVar("_Area", bound=_Ground)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a changed building by the city's records.

    Attributes:
        outcome: ``"no_permit"``, ``"expired_permit"`` (the only permit ended before the earlier
            image) and ``"outside_permit"`` (a part of the building) become cases;
            ``"permitted"``, ``"exempt"``, ``"seasonal"`` and ``"not_filed"`` (a change type that is
            not filed) do not.
        reason: The reason for people, such as ``"permit 2026-0117"``.
        permits: Numbers of the permits that cover a part of the building, the largest part first.
        expired: Numbers of further permits for the building that ended before the earlier image.
        outside_m2: Area outside these permits, square metres; the whole area without a permit.
        planning: Name of the planning zone with the largest part; ``None`` if in no zone.
        building: Whether that zone allows building; ``None`` if unknown.
        seen_by: Names of the cameras that see the place.
        may_be_seen_by: Names of nearby cameras with only a known position.
        allowed: The ground of these permits, WGS 84; ``None`` without a permit.
    """

    outcome: Outcome
    reason: str
    permits: tuple[str, ...]
    expired: tuple[str, ...]
    outside_m2: float
    planning: str | None
    building: Literal["allowed", "forbidden"] | None
    seen_by: tuple[str, ...] = ()
    may_be_seen_by: tuple[str, ...] = ()
    allowed: Polygon | MultiPolygon | None = None

    @property
    def files(self) -> bool:
        """Whether the building becomes a case."""
        return self.outcome in UNPERMITTED

    @property
    def needs_permit(self) -> bool:
        """Whether permits decide, and the area outside them says something."""
        return self.files or self.outcome == "permitted"

    @property
    def blind_spot(self) -> bool:
        """Whether no camera sees, or may see, the place."""
        return not self.seen_by and not self.may_be_seen_by

    @property
    def attributes(self) -> dict[str, Any]:
        """The verdict as JSON values of a case."""
        return {
            "permits": list(self.permits),
            "expired_permits": list(self.expired),
            "outside_permit_m2": round(self.outside_m2, 1),
            "planning_zone": self.planning,
            "planning_building": self.building,
            "seen_by": list(self.seen_by),
            "may_be_seen_by": list(self.may_be_seen_by),
            "blind_spot": self.blind_spot,
        }


class Judge:
    """Judges changed buildings by a city's records of the ground.

    Args:
        permits: Building permits.
        planning: Planning zones.
        exempt: Areas whose buildings are ignored.
        cameras: The city's cameras.
        seasonal: Fields on which greenhouses, plastic mulch and crops come and go.
        filed_change_types: The change types that become cases.
        frames: Width and height of cameras' frames in pixels, by name; see
            :class:`~satellite.records.camera_coverage.Coverage`.

    Raises:
        SatelliteError: A change type is unknown, or is not a building.
    """

    def __init__(
        self,
        permits: Sequence[Permit] = (),
        planning: Sequence[PlanningZone] = (),
        exempt: Sequence[Exemption] = (),
        cameras: Sequence[Camera] = (),
        *,
        seasonal: Sequence[SeasonalGround] = (),
        filed_change_types: Collection[str] = FILED_CHANGE_TYPES,
        frames: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        for change_type in filed_change_types:
            _check_change_type(change_type)
        self._permits = _Layer(permits)
        self._planning = _Layer(planning)
        self._exempt = _Layer(exempt)
        self._seasonal = _Layer(seasonal)
        self._coverage = Coverage(cameras, frames)
        self._filed_change_types = frozenset(filed_change_types)

    def judge(
        self,
        polygon: Polygon | MultiPolygon,
        change_type: ChangeType,
        before: datetime,
        after: datetime,
        *,
        area_m2: float,
        confidence: float = 1.0,
    ) -> Verdict:
        """Judges a changed building.

        Args:
            polygon: The building's footprint, WGS 84, longitude first.
            change_type: The type of change.
            before: When the earlier image was taken, timezone-aware.
            after: When the later image was taken. A permit counts if valid on any day between.
            area_m2: Area of the footprint, square metres.
            confidence: Confidence of the change, 0 to 1.
        """
        first, last = _day(before), _day(after)
        known = self._permits_for(polygon, change_type)
        permits = [permit for permit in known if permit.valid(first, last)]
        others = [permit for permit in known if not permit.valid(first, last)]
        inside = _share(polygon, permits)
        outcome, reason = self._outcome(
            polygon, change_type, confidence, _Permits(permits, others, inside, first)
        )
        zone = max(
            self._planning.touching(polygon),
            key=lambda each: _shared(polygon, each.polygon),
            default=None,
        )
        seen, perhaps = self._coverage.cameras_at(polygon)
        return Verdict(
            outcome=outcome,
            reason=reason + _forbidden(outcome, zone),
            permits=_numbers(permits),
            expired=_numbers([permit for permit in others if permit.expired(first)]),
            outside_m2=max(0.0, (1.0 - inside) * area_m2),
            planning=zone.name if zone else None,
            building=zone.building if zone else None,
            seen_by=tuple(seen),
            may_be_seen_by=tuple(perhaps),
            allowed=only_areas(shapely.union_all([e.polygon for e in permits]))
            if permits
            else None,
        )

    def _permits_for(
        self, polygon: Polygon | MultiPolygon, change_type: ChangeType
    ) -> list[Permit]:
        """The permits, of any time, that cover a part of a footprint, the largest part first."""
        found = [
            permit
            for permit in self._permits.touching(polygon)
            if (permit.kind == DEMOLITION) == (change_type == _DEMOLITION)
            and _shared(polygon, permit.polygon) >= _OWN * polygon.area
        ]
        return sorted(found, key=lambda each: -_shared(polygon, each.polygon))

    def _outcome(
        self,
        polygon: Polygon | MultiPolygon,
        change_type: ChangeType,
        confidence: float,
        permits: _Permits,
    ) -> tuple[Outcome, str]:
        if change_type not in self._filed_change_types:
            return "not_filed", f"{change_type.replace('_', ' ')}: a change type that is not filed"
        if change_type == _DEMOLITION and confidence < DEMOLITION_CONFIDENCE:
            return "not_filed", f"demolition with a confidence of only {confidence:.2f}"
        exempt = self._exempt.touching(polygon)
        if _share(polygon, exempt) >= MOST:
            return "exempt", f"exempt: {', '.join(_largest_first(polygon, exempt))}"
        if permits.inside >= MOST:
            return "permitted", f"permit {', '.join(_numbers(permits.valid))}"
        seasonal = self._seasonal.touching(polygon)
        if _share(polygon, seasonal) >= MOST:
            return "seasonal", f"seasonal: {', '.join(dict.fromkeys(e.cover for e in seasonal))}"
        return permits.missing()


@dataclass(frozen=True, slots=True)
class _Permits:
    """The permits for a footprint.

    Attributes:
        valid: Those valid on some day between the two images.
        others: Those that ended earlier or begin later.
        inside: Share of the footprint inside the valid ones, 0 to 1.
        first: The day of the earlier image.
    """

    valid: Sequence[Permit]
    others: Sequence[Permit]
    inside: float
    first: date

    def missing(self) -> tuple[Outcome, str]:
        """The outcome and its reason where the valid permits do not cover the footprint."""
        ended = [permit for permit in self.others if permit.expired(self.first)]
        later = [permit for permit in self.others if not permit.expired(self.first)]
        notes = [f"permit {each.number} expired on {each.valid_to}" for each in ended]
        notes += [f"permit {each.number} is valid only from {each.valid_from}" for each in later]
        if self.valid:
            reason = f"partly outside permit {', '.join(_numbers(self.valid))}"
            return "outside_permit", "; ".join([reason, *notes])
        if ended:
            return "expired_permit", "; ".join(notes)
        return "no_permit", "; ".join(["no permit", *notes])


def _forbidden(outcome: Outcome, zone: PlanningZone | None) -> str:
    """What a reason says of a planning zone that forbids building; empty for any other zone."""
    if zone is None or zone.building != "forbidden":
        return ""
    if outcome == "permitted":
        return f", although zone {zone.name} forbids building"
    return f"; zone {zone.name} forbids building" if outcome in UNPERMITTED else ""


class _Layer(Generic[_Area]):
    """Areas with a spatial index."""

    def __init__(self, areas: Sequence[_Area]) -> None:
        self._areas = areas
        self._tree = STRtree([area.polygon for area in areas])

    def touching(self, polygon: Polygon | MultiPolygon) -> list[_Area]:
        return [self._areas[i] for i in sorted(self._tree.query(polygon, predicate="intersects"))]


def _check_change_type(change_type: str) -> None:
    if change_type not in get_args(ChangeType):
        raise SatelliteError(
            f"{change_type!r} is not a change type: known are {', '.join(get_args(ChangeType))}; "
            f"cases are filed of {' and '.join(FILED_CHANGE_TYPES)} by default"
        )
    if change_type == _BARE_GROUND:
        raise SatelliteError(
            f"{change_type!r} cannot become a case: cleared ground is no building yet; remove it "
            "from the change types that are filed, the layers show it anyway"
        )


def _share(polygon: Polygon | MultiPolygon, areas: Sequence[_Ground]) -> float:
    """The share of a polygon that lies inside the union of areas, 0 to 1."""
    if not areas:
        return 0.0
    # A ratio of areas does not depend on the scale of the axes, so degrees are good enough.
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
