"""GeoJSON geometries to polygons, with the problems that geometries can have."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import shapely
from shapely.geometry import MultiPolygon, Polygon

from zones.crossings import MOST_CROSSINGS, cross_too_often
from zones.document import MOST_PROBLEMS, Document, Location
from zones.errors import Problem, ZoneError

CROSSES_TOO_OFTEN = f"the parts cross each other more than {MOST_CROSSINGS:,} times"
_RING_POSITIONS = 4  # a triangle, closed
_LEAST_AREA_PX = 1.0  # square pixels; less is a drawing error
_LEAST_AREA_DEG = 1e-13  # square degrees, about 0.001 m2; less is a drawing error
_AT = re.compile(r"\[(\S+) (\S+)\]")
_REASONS = {
    "Self-intersection": ("the outline crosses itself", "reorder or move the corners there"),
    "Ring Self-intersection": (
        "the outline touches itself",
        "split the zone into two polygons there",
    ),
    "Hole lies outside shell": ("a hole lies outside the outline", "move the hole or remove it"),
    "Holes are nested": ("a hole lies in another hole", "remove the inner one"),
    "Interior is disconnected": (
        "the holes cut the zone apart",
        "draw the pieces as a MultiPolygon",
    ),
}


def read_shape(
    document: Document, location: Location, name: str, frame: str
) -> Polygon | MultiPolygon:
    """The polygon of the geometry at ``location``.

    Rings may have either orientation. Overlapping parts of a MultiPolygon are joined.

    Args:
        document: The file.
        location: Location of the feature in the file.
        name: Name of the feature, for messages.
        frame: ``"image"`` (pixels) or ``"wgs84"`` (degrees, longitude first).

    Raises:
        ZoneError: The geometry is not a polygon with an area.
    """
    geometry = _value(document, location).get("geometry")
    at = [*location, "geometry"]
    geometry = geometry if isinstance(geometry, dict) else {}
    kind = geometry.get("type")
    if kind not in ("Polygon", "MultiPolygon"):
        what = f"a {kind:.60} is no area" if isinstance(kind, str) else "there is no geometry"
        _fail(document, at, f"{name}: geometry", what, "draw a Polygon or a MultiPolygon")
    at.append("coordinates")
    coordinates = geometry.get("coordinates")
    if not isinstance(coordinates, list) or not coordinates:
        advice = "give the corners as [[[x, y], ...]]"
        _fail(document, at, f"{name}: coordinates", "there are no coordinates", advice)
    polygons = [coordinates] if kind == "Polygon" else coordinates
    locations = [at] if kind == "Polygon" else [[*at, i] for i in range(len(polygons))]
    parts: list[Polygon] = []
    problems: list[Problem] = []
    for rings, part_at in zip(polygons, locations, strict=True):
        try:
            parts.append(_polygon(document, part_at, name, rings, frame))
        except ZoneError as error:
            problems += error.problems
            if len(problems) >= MOST_PROBLEMS:
                break
    if problems:
        raise ZoneError(problems)
    if cross_too_often(parts):
        advice = "draw one outline around the ground instead"
        _fail(document, at, f"{name}: coordinates", CROSSES_TOO_OFTEN, advice)
    joined = shapely.union_all(parts)
    if isinstance(joined, Polygon | MultiPolygon):
        return joined
    return MultiPolygon(parts)


def _polygon(
    document: Document, location: list[str | int], name: str, rings: Any, frame: str
) -> Polygon:
    if not isinstance(rings, list) or not rings:
        advice = "give the corners as [[[x, y], ...]]"
        _fail(document, location, f"{name}: coordinates", "there is no outline", advice)
    problems: list[Problem] = []
    for number, ring in enumerate(rings):
        problems += _check_ring(document, [*location, number], name, ring, frame)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise ZoneError(problems)
    outline, *holes = ([(x, y) for x, y, *_ in ring] for ring in rings)
    polygon = Polygon(outline, holes)
    place = f"{name}: coordinates"
    least = _LEAST_AREA_PX if frame == "image" else _LEAST_AREA_DEG
    if not Polygon(outline).convex_hull.area > least:
        what = "the corners enclose no area (they lie on one line or at one point)"
        advice = "draw an outline around the ground to watch"
        if frame == "image" and all(0 <= value <= 1 for corner in outline for value in corner):
            what, advice = "the corners lie within one pixel", "give pixels, not parts of the frame"
        _fail(document, location, place, what, advice)
    if not polygon.is_valid:
        _fail(document, location, place, *_explain(polygon, frame))
    if not polygon.area > least:
        advice = "make the hole smaller or remove it"
        _fail(document, location, place, "the holes leave no area", advice)
    return polygon


def _explain(polygon: Polygon, frame: str) -> tuple[str, str]:
    reason = shapely.is_valid_reason(polygon)
    match = _AT.search(reason)
    what, advice = _REASONS.get(reason.partition("[")[0], (reason, "redraw the outline"))
    if match is None:
        return what, advice
    x, y = (float(value) for value in match.groups())
    spot = f"x {x:g}, y {y:g}" if frame == "image" else f"longitude {x:.7g}, latitude {y:.7g}"
    return f"{what} at {spot}", advice


def _check_ring(
    document: Document, location: list[str | int], name: str, ring: Any, frame: str
) -> Iterator[Problem]:
    place = f"{name}: coordinates"

    def problem(what: str, advice: str, at: int | None = None) -> Problem:
        spot = location if at is None else [*location, at]
        return Problem(document.where(spot, place), what, advice)

    if not isinstance(ring, list) or not ring:
        yield problem("a ring is no list of positions", "write [[x, y], [x, y], ...]")
        return
    for number, position in enumerate(ring):
        wrong = _wrong_position(position, frame)
        if wrong:  # corners mostly have the same problem, so the first one is reported
            yield problem(*wrong, at=number)
            return
    if ring[0][:2] != ring[-1][:2]:
        x, y = ring[0][:2]
        yield problem("the outline is not closed", f"repeat its first corner [{x}, {y}] at its end")
    elif len(ring) < _RING_POSITIONS:
        what = f"{len(ring)} positions enclose no area"
        yield problem(what, "an outline needs three corners and the first one again")


def _wrong_position(position: Any, frame: str) -> tuple[str, str] | None:
    if not (isinstance(position, list) and len(position) >= 2):
        return f"{position!r:.60} is no position", "write [x, y], or [longitude, latitude]"
    x, y = position[:2]
    for value in (x, y):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{value!r:.60} is no number", "write coordinates as plain numbers"
        if not math.isfinite(value):
            return f"{value} is not a finite number", "correct the coordinate"
    if frame == "image" or (abs(x) <= 180 and abs(y) <= 90):
        return None
    if abs(x) <= 90 and abs(y) <= 180:
        what = f"latitude {y:g} does not exist"
        return what, "write longitude first, then latitude: they look exchanged"
    what = f"longitude {x:g}, latitude {y:g} is no place on Earth"
    return (
        what,
        'if these are pixels, add "frame": "image" to the properties; else give degrees WGS 84',
    )


def _value(document: Document, location: Location) -> dict[str, Any]:
    value = document.value
    for part in location:
        value = value[part]
    assert isinstance(value, dict)
    return value


def _fail(document: Document, at: Location, place: str, what: str, advice: str) -> NoReturn:
    raise ZoneError([Problem(document.where(at, place), what, advice)])
