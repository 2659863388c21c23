"""The nearly straight edges of a ring, and the lines through them.

All lengths are pixels. A line is fitted to all points of its edge: it is more accurate than any
vertex, and the enclosed area keeps its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

Points = NDArray[np.float64]

# Distance of the points by which a ring is resampled, since its vertices are uneven.
STEP_PX: Final = 0.5
# Length at both ends of an edge that is left out of the fit, since blur rounds the corners.
_CORNER_PX: Final = 1.5
# Smallest angle between lines that make a reliable corner, degrees.
MEET_DEG: Final = 20.0
# Greatest distance of straight lines from the contour: about its noise, half a pixel.
_STRAIGHT_PX: Final = 0.5
# Greatest distance of a corner from the contour; further away, two lines meet only by chance.
_ASTRAY_PX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Edge:
    """A stretch of a ring that is nearly straight.

    Attributes:
        points: (n, 2), evenly spaced along the edge from corner to corner.
        angle: Direction of the edge's line, degrees.
        fixed: Whether ``angle`` is one of the building's directions.
    """

    points: Points
    angle: float
    fixed: bool = False

    @classmethod
    def through(cls, points: Points) -> Edge:
        """An edge along the least-squares line of its points."""
        ends = min(int(_CORNER_PX / STEP_PX), len(points) // 4, max(0, len(points) // 2 - 2))
        inside = points[ends : len(points) - ends]
        x, y = np.linalg.svd(inside - inside.mean(axis=0), full_matrices=False)[2][0]
        return cls(points, float(np.degrees(np.arctan2(y, x))))

    @property
    def length(self) -> float:
        """Distance from corner to corner."""
        return float(np.hypot(*(self.points[-1] - self.points[0])))

    @property
    def normal(self) -> Points:
        """Unit vector perpendicular to the line."""
        turned = np.radians(self.angle + 90)
        return np.array([np.cos(turned), np.sin(turned)])

    @property
    def offset(self) -> float:
        """Distance of the line from the origin along the normal: mean of the inner points."""
        ends = min(_CORNER_PX, self.length / 4)
        first, last = self.points[0], self.points[-1]
        away = np.minimum(np.hypot(*(self.points - first).T), np.hypot(*(self.points - last).T))
        inside = self.points[away >= ends]
        return float(np.mean((inside if len(inside) else self.points) @ self.normal))

    def foot(self, point: Points) -> Points:
        """The point on the line that is nearest to ``point``."""
        nearest: Points = point + (self.offset - point @ self.normal) * self.normal
        return nearest

    def meets(self, other: Edge) -> bool:
        """Whether the two lines make a reliable corner."""
        return abs(self.turn(other)) >= MEET_DEG

    def turn(self, other: Edge) -> float:
        """Angle from the other line to this one, degrees, -90 to 90."""
        return (self.angle - other.angle + 90) % 180 - 90

    def meeting(self, other: Edge) -> Points:
        """The intersection of the two lines, which must not be parallel."""
        normals = np.array([self.normal, other.normal])
        return np.linalg.solve(normals, np.array([self.offset, other.offset]))


def edges(ring: shapely.LinearRing, tolerance: float) -> list[Edge]:
    """Cuts a ring into nearly straight edges (Douglas and Peucker, 1973).

    Args:
        ring: A contour.
        tolerance: Greatest distance of the contour from an edge.
    """
    points = shapely.get_coordinates(ring)[:-1]
    # Cutting starts and ends at the first point, which should therefore be a corner if possible.
    far = int(np.argmax(np.hypot(*(points - points.mean(axis=0)).T)))
    points = np.roll(points, -far, axis=0)
    closed = evenly(np.vstack([points, points[:1]]))
    kept = _peucker(closed, tolerance)
    return [Edge.through(closed[start : end + 1]) for start, end in pairwise(kept)]


def evenly(line: Points) -> Points:
    """Resamples a line to points about half a pixel apart, both ends included."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    places = np.linspace(0, along[-1], max(8, int(np.ceil(along[-1] / STEP_PX))) + 1)
    return np.column_stack([np.interp(places, along, line[:, axis]) for axis in (0, 1)])


def straightened(ring: shapely.LinearRing) -> shapely.LinearRing:
    """A ring of straight lines within about half a pixel of the ring, with nearly the same area."""
    lines = edges(ring, _STRAIGHT_PX)
    if len(lines) < 3:
        return ring
    corners = []
    for first, second in zip(lines, [*lines[1:], lines[0]], strict=True):
        joint = first.points[-1]
        corner = first.meeting(second) if first.meets(second) else joint
        if np.hypot(*(corner - joint)) > _ASTRAY_PX or corner is joint:
            corner = (first.foot(joint) + second.foot(joint)) / 2
        corners.append(corner)
    return shapely.LinearRing(np.array(corners))


def _peucker(points: Points, tolerance: float) -> list[int]:
    """Indices of the points that a simplified closed line keeps."""
    simple = shapely.get_coordinates(
        shapely.LineString(points).simplify(tolerance, preserve_topology=False)
    )
    places = {(float(x), float(y)): index for index, (x, y) in enumerate(points[:-1])}
    return [places[float(x), float(y)] for x, y in simple[:-1]] + [len(points) - 1]
