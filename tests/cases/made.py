"""Findings made for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cv_engine.cases.stages import NoLimits
from cv_engine.finding import Finding, Place

CAR_BOX = (100.0, 100.0, 200.0, 180.0)
NEXT_BOX = (210.0, 100.0, 310.0, 180.0)
CORNER = {"type": "Point", "coordinates": [121.55, 29.87]}


def at(seconds: float) -> datetime:
    """The time ``seconds`` after the start of the footage."""
    return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def finding(
    began: float = 0,
    observed: float = 300,
    *,
    box: tuple[float, float, float, float] | None = CAR_BOX,
    geometry: dict[str, Any] | None = None,
    accuracy_m: float | None = None,
    basis: str = "unknown",
    kind: str = "motor_vehicle_parked",
    source: str = "market-street",
    zone: str = "pavement",
    confidence: float = 0.8,
    attributes: dict[str, Any] | None = None,
    evidence: str | None = None,
) -> Finding:
    """A parked car, unless the arguments say otherwise."""
    place = Place(geometry, accuracy_m, basis, box)
    return Finding(
        *(kind, source, zone, place, at(began), at(observed), confidence),
        attributes or {},
        evidence,
    )


def located(
    lon: float, lat: float, began: float = 0, observed: float = 300, **more: Any
) -> Finding:
    """A finding at a point on the ground, without an image box."""
    point = {"type": "Point", "coordinates": [lon, lat]}
    given = {"accuracy_m": 3.0, "basis": "homography", **more}
    return finding(began, observed, box=None, geometry=point, **given)


_METRE = 1 / 111_320  # degrees of latitude, and of longitude at the equator


def ground(
    east_m: float, north_m: float, width_m: float, height_m: float, lat: float = 0.0
) -> dict[str, Any]:
    """A rectangle on the ground, from its south-western corner; metres from (121 E, ``lat``)."""
    west, across = 121.0 + east_m * _METRE, width_m * _METRE
    south, up = lat + north_m * _METRE, height_m * _METRE
    ring = [[west, south], [west + across, south], [west + across, south + up], [west, south + up]]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def site(geometry: dict[str, Any], began: float = 0, **more: Any) -> Finding:
    """A building found in images from above."""
    given = {"kind": "building_without_permit", "accuracy_m": 2.0, "zone": "west", **more}
    return finding(began, began, box=None, geometry=geometry, basis="raster", **given)


_HOURS = {"confirm": 2, "dispatch": 4, "handle": 8, "verify": 16, "close": 48}


class Hours(NoLimits):
    """Limits in elapsed hours, half of them for what is urgent."""

    def due(self, kind: str, stage: str, since: datetime, *, urgent: bool) -> datetime | None:
        return since + _HOURS[stage] * timedelta(hours=1) / (2 if urgent else 1)

    def warn_at(self, start: datetime, due: datetime) -> datetime:
        return start + (due - start) / 2


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = at(10_000)

    def __call__(self) -> datetime:
        return self.now
