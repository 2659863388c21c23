"""Regularises outlines to right angles, in the spirit of Sester and Neidhart (2008).

The long edges of an outline give the direction of the building. Edges nearly along or across that
direction become straight lines, fitted to the outline's points, so that corners rounded by blur are
restored; consecutive lines meet in corners. Round or irregular outlines, and those that would move
too far, are left as they are. All lengths here are pixels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from satellite.vector.edges import MEET_DEG, Edge, Points, edges, evenly, straightened

# Tolerances with which edges are searched. 1 px removes the sawtooth of a binary raster (0.7 px);
# where that fails, coarser ones tolerate the waves of a network's outlines.
_EDGE_PX = (1.0, 1.4, 2.0)
# Greatest angle between an edge and a direction along which it is, degrees. A quarter of the edges
# of a circle are. Of 8, 10, 12 and 15, this squares the most outlines of the LEVIR tiles without
# agreeing less with their labels.
_ALONG_DEG = 10.0
# Least share of the outline along or across the main direction. Rectangles and L shapes have nearly
# all, octagons and circles a half or less.
_MAIN_SHARE = 0.6
# Least share of the outline that gives the rest a direction of its own: a wing at another angle.
_WING_SHARE = 0.15
# Length of corners and steps cut by blur; shorter edges across a direction are not significant.
_BLURRED_PX = 5.0
# Shortest edge, and smallest step between neighbouring lines, that the pixels support.
_SHORTEST_PX = 1.5
# Least agreement with the contour (intersection over union). The best square of a circle has 0.83,
# while a square has 0.9 even with corners rounded by a third of its side.
_IOU = 0.9
# Greatest distance of the contour from the new outline: 1 m at 0.5 m, and TinyCD's outlines are off
# by more. On the LEVIR tiles, 2 px squares more buildings than 1.5 px and agrees as well with the
# labels; 2.5 px agrees less.
_FARTHEST_PX = 2.0
# The same distance for lines that follow the contour, which are fitted to half a pixel. Beyond it,
# and for very long contours, vertices are only dropped, within 0.2 px.
_FOLLOWS_PX = 1.0
_SIMPLIFY_PX = 0.2
# A longer outline, or one with more edges, is no building's; the work would grow without bound.
_LONGEST_PX = 4000.0
_MOST_EDGES = 200
# How often edges that would move too far are released before regularisation is given up.
_RELEASES = 4


def simplify(polygon: shapely.Polygon) -> shapely.Polygon:
    """Simplifies an outline to straight lines within about half a pixel; valid and never empty."""
    if polygon.exterior.length <= _LONGEST_PX:
        rings = [straightened(ring) for ring in (polygon.exterior, *polygon.interiors)]
        straight = shapely.Polygon(rings[0], rings[1:])
        if straight.is_valid and _agree(straight.exterior, polygon.exterior, _FOLLOWS_PX):
            return straight
    simple = polygon.simplify(_SIMPLIFY_PX, preserve_topology=True)
    return simple if isinstance(simple, shapely.Polygon) and simple.is_valid else polygon


def regularise(polygon: shapely.Polygon) -> shapely.Polygon:
    """Makes an outline right-angled if its contour supports that.

    Args:
        polygon: A contour in pixels, with a vertex about every pixel; valid.

    Returns:
        The right-angled polygon if it agrees with the contour (intersection over union of 0.9 or
        more, and the contour nowhere further than 2 px away), else the simplified contour. A
        courtyard that cannot be right-angled is only simplified. Always valid.
    """
    if polygon.exterior.length > _LONGEST_PX:
        return simplify(polygon)
    axes = _axes(edges(polygon.exterior, _EDGE_PX[0]))
    exterior = _plainest(polygon.exterior, axes) if axes else None
    if exterior is None:
        return simplify(polygon)
    holes = [_plainest(hole, axes) or straightened(hole) for hole in polygon.interiors]
    squared = shapely.Polygon(exterior, holes)
    return squared if squared.is_valid else simplify(polygon)


def _plainest(ring: shapely.LinearRing, axes: list[float]) -> shapely.LinearRing | None:
    """The first right-angled ring along the directions, else the ring with the fewest corners."""
    found = []
    for tolerance in _EDGE_PX:
        squared = _squared(ring, axes, tolerance)
        if squared is not None and _is_right(squared):
            return squared
        found += [squared] if squared is not None else []
    return min(found, key=lambda squared: len(squared.coords), default=None)


def _is_right(ring: shapely.LinearRing) -> bool:
    sides = np.diff(shapely.get_coordinates(ring), axis=0)
    angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    return bool((_apart(angles, angles[0]) < 1e-3).all())


def _axes(found: list[Edge]) -> list[float]:
    """The directions of a building, degrees from 0 to 90: the main one and that of a wing.

    Returns:
        The directions; none where too little of the outline is along one.
    """
    angles = np.array([edge.angle for edge in found])
    lengths = np.array([edge.length for edge in found])
    axes: list[float] = []
    free = np.ones(len(found), dtype=bool)
    for share in (_MAIN_SHARE, _WING_SHARE):
        if not free.any():
            break
        axis = _dominant(angles[free], lengths[free])
        along = free & (_apart(angles, axis) <= _ALONG_DEG)
        if lengths[along].sum() < share * lengths.sum():
            break
        axes.append(axis)
        free &= ~along & (lengths >= _BLURRED_PX)
    return axes


def _dominant(angles: Points, lengths: Points) -> float:
    """The direction, modulo 90 degrees, along which most of the length is."""
    candidates = np.arange(90.0)
    near = np.maximum(0, 1 - _apart(angles[None], candidates[:, None]) / _ALONG_DEG)
    best = candidates[int(np.argmax(near @ lengths))]
    apart = (angles - best + 45) % 90 - 45
    # The variance of a fitted direction falls with the cube of the length.
    weights = np.where(np.abs(apart) <= _ALONG_DEG, lengths, 0) ** 3
    return float((best + np.average(apart, weights=weights)) % 90)


def _apart(angles: Points, axis: float | Points) -> Points:
    """Angles to a direction or its perpendicular, whichever is nearer, degrees, 0 to 45."""
    return np.abs((angles - axis + 45) % 90 - 45)


def _squared(
    ring: shapely.LinearRing, axes: list[float], tolerance: float
) -> shapely.LinearRing | None:
    """A ring along the directions; ``None`` if it would be too far from the contour.

    Edges that would have to move too far keep their own direction.
    """
    found = edges(ring, tolerance)
    if len(found) > _MOST_EDGES:
        return None
    lines = [_along(edge, axes, tolerance) for edge in found]
    for _ in range(_RELEASES):
        squared = _ring_of(lines)
        if squared is None:
            return None
        if _agree(squared, ring, _FARTHEST_PX):
            return squared
        far = [not _near(squared, edge.points, _FARTHEST_PX) for edge in found]
        released = [
            edge if away else line for edge, line, away in zip(found, lines, far, strict=True)
        ]
        if all(line.fixed == before.fixed for line, before in zip(released, lines, strict=True)):
            return None
        lines = released
    return None


def _ring_of(lines: list[Edge]) -> shapely.LinearRing | None:
    """The ring of lines, without the superfluous ones."""
    lines = _merged(lines)
    while len(lines) > 4 and (spare := _spare(lines)):
        lines = _merged(_without(lines, spare))
    return shapely.LinearRing(_corners(lines)) if len(lines) > 2 else None


def _along(edge: Edge, axes: list[float], tolerance: float) -> Edge:
    """Turns an edge into the nearest direction, if near enough."""
    apart = [float(_apart(np.array(edge.angle), axis)) for axis in axes]
    nearest = int(np.argmin(apart))
    # The ends of a short edge are off by up to the tolerance, which turns the edge.
    allowed = max(_ALONG_DEG, np.degrees(np.arctan2(tolerance, edge.length)))
    if apart[nearest] > allowed:
        return edge
    axis = axes[nearest]
    return replace(edge, angle=axis + 90 * round((edge.angle - axis) / 90), fixed=True)


def _merged(lines: list[Edge]) -> list[Edge]:
    """Joins neighbours that lie on one line."""
    merged = list(lines)
    index = 0
    while index < len(merged) and len(merged) > 3:
        following = (index + 1) % len(merged)
        first, second = merged[index], merged[following]
        if _parallel(first, second) and abs(_step(first, second)) < _SHORTEST_PX:
            merged[index] = _joined(first, second)
            del merged[following]
            index = max(0, index - 1) if following else 0
        else:
            index += 1
    return merged


def _parallel(first: Edge, second: Edge) -> bool:
    return abs(first.turn(second)) < (1e-6 if first.fixed and second.fixed else MEET_DEG)


def _step(first: Edge, second: Edge) -> float:
    """The distance of the second line from the first, which is parallel."""
    return float(np.mean(second.points @ first.normal)) - first.offset


def _joined(first: Edge, second: Edge) -> Edge:
    points = np.vstack([first.points, second.points[1:]])
    longer = first if first.length >= second.length else second
    if longer.fixed or first.fixed != second.fixed:
        fixed = longer if longer.fixed else (first if first.fixed else second)
        return Edge(points, fixed.angle, fixed=True)
    return Edge.through(points)


def _spare(lines: list[Edge]) -> list[int]:
    """Consecutive edges that are only a step of the pixels, or a corner rounded by blur."""
    shortest = min(range(len(lines)), key=lambda i: lines[i].length)
    if lines[shortest].length < _SHORTEST_PX:
        return [shortest]
    for start in range(len(lines)):
        run: list[int] = []
        while len(run) < len(lines) - 2 and not lines[(start + len(run)) % len(lines)].fixed:
            run.append((start + len(run)) % len(lines))
        before, after = lines[start - 1], lines[(start + len(run)) % len(lines)]
        if not run or not before.fixed or not after.fixed:
            continue
        points = np.vstack([lines[i].points for i in run])
        if _parallel(before, after):
            if np.hypot(*(points[-1] - points[0])) <= _BLURRED_PX:
                return run
        elif np.hypot(*(points - before.meeting(after)).T).min() <= _FARTHEST_PX:
            return run
    return []


def _without(lines: list[Edge], spare: list[int]) -> list[Edge]:
    """Drops edges; neighbours on one line are joined, others meet in a corner or step."""
    before, after = lines[spare[0] - 1], lines[(spare[-1] + 1) % len(lines)]
    rest = [line for i, line in enumerate(lines) if i not in spare]
    if not _parallel(before, after) or abs(_step(before, after)) >= _SHORTEST_PX:
        return rest
    between = [lines[i].points[1:-1] for i in spare]
    points = np.vstack([before.points, *between, after.points])
    longer = before if before.length >= after.length else after
    joined = Edge(points, longer.angle, longer.fixed)
    return [joined if line is before else line for line in rest if line is not after]


def _corners(lines: list[Edge]) -> Points:
    """The corners where consecutive lines meet; parallel lines are joined by a step across."""
    corners: list[Points] = []
    for first, second in zip(lines, [*lines[1:], lines[0]], strict=True):
        if first.meets(second):
            corners.append(first.meeting(second))
        else:
            between = (first.points[-1] + second.points[0]) / 2
            corners += [first.foot(between), second.foot(between)]
    return np.array(corners)


def _agree(line: shapely.LinearRing, contour: shapely.LinearRing, farthest: float) -> bool:
    """Whether a ring encloses nearly the area of a contour and is near it everywhere.

    A corner, at which two lines may each have moved by ``farthest``, may have moved by the square
    root of 2 times that.
    """
    one, other = shapely.Polygon(line), shapely.Polygon(contour)
    if not one.is_valid or one.area == 0:
        return False
    common = one.intersection(other).area
    if common < _IOU * (one.area + other.area - common):
        return False
    return _within(contour, line, farthest) and _within(line, contour, np.sqrt(2) * farthest)


def _within(line: shapely.LinearRing, other: shapely.LinearRing, distance: float) -> bool:
    """Whether a ring is everywhere within a distance of another ring."""
    return _near(other, evenly(shapely.get_coordinates(line)), distance)


def _near(ring: shapely.LinearRing, points: Points, distance: float) -> bool:
    shapely.prepare(ring)
    return bool(shapely.dwithin(ring, shapely.points(points), distance).all())
