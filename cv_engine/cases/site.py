"""Site: built ground that images from above show, which grows and is one case all the while.

A car is somewhere else a day later, a building is not. So areas in georeferenced images are matched
by place alone: whenever they were seen, and in whatever zone their larger part lies, the parts of one
site are one case as long as it is open. The case's polygon is everything that was found of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cv_engine.finding import Place

#: Parts of one site lie at most so far apart, in metres: a building and its annexe across a path,
#: or the two halves that a shadow makes of one roof. A street is wider.
SITE_GAP_M = 5.0

_BASIS = "raster"
_AREAS = frozenset({"Polygon", "MultiPolygon"})
_DECIMALS = 7  # of a degree: a centimetre


def is_site(place: Place) -> bool:
    """Whether a place is an area in a georeferenced image."""
    geometry = place.geometry
    return place.basis == _BASIS and geometry is not None and geometry.get("type") in _AREAS


def same_site(one: Mapping[str, Any], other: Mapping[str, Any], gap_m: float) -> float:
    """How surely two areas are of one site.

    Args:
        one: GeoJSON polygon or multipolygon, WGS 84.
        other: Another.
        gap_m: How far apart they may lie, in metres.

    Returns:
        0.0 where they are farther apart; up to 0.5 where there is a gap, larger for a smaller one;
        above it where they overlap, up to 1 where they are the same.
    """
    import shapely
    from shapely.geometry import shape

    from zones.plane import LocalPlane

    first, second = (shapely.make_valid(shape(dict(each))) for each in (one, other))
    shared = shapely.intersection(first, second).area
    if shared > 0:
        # A ratio of areas does not change with the scale of the two axes: degrees will do.
        return 0.5 + 0.5 * float(shared / shapely.union(first, second).area)
    middle = second.representative_point()  # a centroid may lie far off, at the antimeridian
    plane = LocalPlane(middle.y, middle.x)
    distance_m = float(
        shapely.distance(*(shapely.transform(each, plane.to_metres) for each in (first, second)))
    )
    return 0.5 / (1.0 + distance_m) if distance_m <= gap_m else 0.0


def reach(geometry: Mapping[str, Any], gap_m: float) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees of all that may be part of an area's site."""
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
    """Two areas as one GeoJSON polygon or multipolygon, right-handed as RFC 7946 wants it.

    Args:
        one: GeoJSON polygon or multipolygon, WGS 84.
        other: Another.
    """
    import shapely
    from shapely.geometry import mapping, shape

    from zones.camera import only_areas

    union = shapely.union_all([shapely.make_valid(shape(dict(each))) for each in (one, other)])
    return {**_plain(mapping(shapely.orient_polygons(only_areas(union))))}


def _plain(value: Any) -> Any:
    """A GeoJSON value as JSON gives it back, to a centimetre."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return round(value, _DECIMALS) if isinstance(value, float) else value
