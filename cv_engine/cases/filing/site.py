"""Building sites: ground in satellite images that grows from date to date and is one case.

A car moves within a day, a building does not. Areas in georeferenced images are therefore matched
by place alone: the parts of one site are one case while that is open, regardless of their dates and
zones. The case's polygon is the union of all parts. Footprints in one image are buildings side by
side, and stay apart however close they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cv_engine.finding import Place

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Largest distance of two parts of one site, in metres: a building and its annexe across a path, or
#: the two halves of a roof that a shadow divides. A street is wider.
SITE_GAP_M = 5.0

#: Least share of the smaller of two outlines in one image that the other covers, for the two to be
#: one building: outlined with other settings, a building shares far more than half of itself.
_SAME_SHARE = 0.5

_BASIS = "raster"
_AREAS = frozenset({"Polygon", "MultiPolygon"})
_DECIMALS = 7  # of a degree: a centimetre


def is_site(place: Place) -> bool:
    """Whether a place is an area in a georeferenced image."""
    geometry = place.geometry
    return place.basis == _BASIS and geometry is not None and geometry.get("type") in _AREAS


def same_site(one: Mapping[str, Any], other: Mapping[str, Any], gap_m: float) -> float:
    """Score how likely two areas belong to one site.

    Args:
        one: GeoJSON polygon or multipolygon, WGS 84.
        other: Another area.
        gap_m: Largest distance of the two, in metres.

    Returns:
        0.0 beyond that distance; up to 0.5 with a gap, larger for a smaller gap; above 0.5 for
        areas that overlap, and 1 for equal areas.
    """
    first, second = _areas(one, other)
    shared = first.intersection(second).area
    if shared > 0:
        return _overlap_score(first, second, shared)
    apart_m = _distance_m(first, second)
    return 0.5 / (1.0 + apart_m) if apart_m <= gap_m else 0.0


def distance_m(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Distance of two areas on the ground, in metres; 0 where they touch or overlap.

    Args:
        one: GeoJSON polygon or multipolygon, WGS 84.
        other: Another area.
    """
    return _distance_m(*_areas(one, other))


def same_footprint(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Score how likely two areas in one image are outlines of one building.

    Args:
        one: GeoJSON polygon or multipolygon, WGS 84.
        other: Another area.

    Returns:
        0.0 for two buildings, even where their outlines touch; above 0.5 for one building.
    """
    first, second = _areas(one, other)
    shared = first.intersection(second).area
    if shared < _SAME_SHARE * min(first.area, second.area):
        return 0.0
    return _overlap_score(first, second, shared)


def _areas(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[BaseGeometry, BaseGeometry]:
    import shapely
    from shapely.geometry import shape

    return shapely.make_valid(shape(dict(one))), shapely.make_valid(shape(dict(other)))


def _overlap_score(first: BaseGeometry, second: BaseGeometry, shared: float) -> float:
    # A ratio of areas does not depend on the scale of the two axes: degrees suffice.
    return 0.5 + 0.5 * float(shared / first.union(second).area)


def _distance_m(first: BaseGeometry, second: BaseGeometry) -> float:
    import shapely

    from zones.plane import LocalPlane

    middle = second.representative_point()  # a centroid may lie far off, at the antimeridian
    plane = LocalPlane(middle.y, middle.x)
    return float(
        shapely.distance(*(shapely.transform(each, plane.to_metres) for each in (first, second)))
    )


def reach(geometry: Mapping[str, Any], gap_m: float) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees of all ground within ``gap_m`` of an area."""
    from shapely.geometry import shape

    from zones.plane import widened

    return widened(shape(dict(geometry)).bounds, gap_m)


def area_m2(geometry: Mapping[str, Any]) -> float:
    """Area of a GeoJSON polygon or multipolygon on the ellipsoid, in square metres."""
    import shapely
    from pyproj import Geod
    from shapely.geometry import shape

    turned = shapely.orient_polygons(shape(dict(geometry)))
    return abs(float(Geod(ellps="WGS84").geometry_area_perimeter(turned)[0]))


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The union of two areas as a GeoJSON polygon or multipolygon, right-handed (RFC 7946).

    Args:
        one: GeoJSON polygon or multipolygon, WGS 84.
        other: Another area.
    """
    import shapely
    from shapely.geometry import mapping, shape

    from zones.camera import only_areas

    union = shapely.union_all([shapely.make_valid(shape(dict(each))) for each in (one, other)])
    return {**_plain(mapping(shapely.orient_polygons(only_areas(union))))}


def _plain(value: Any) -> Any:
    """A GeoJSON value with lists in place of tuples, rounded to a centimetre."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return round(value, _DECIMALS) if isinstance(value, float) else value
