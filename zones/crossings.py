"""How often outlines cross: joining or comparing shapes takes time and memory for each crossing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

#: Crossings up to which shapes are joined, which takes about a second.
MOST_CROSSINGS = 50_000
_EDGES_AT_ONCE = 64


def cross_too_often(shapes: Sequence[Polygon | MultiPolygon]) -> bool:
    """Whether the outlines of shapes cross each other more than `MOST_CROSSINGS` times.

    Pairs of edges whose bounding boxes overlap are counted, which crossing edges are among. Two
    combs that lie across each other make millions of crossings from a few kilobytes of corners.
    """
    if len(shapes) < 2:
        return False
    starts, ends, owner = _edges(shapes)
    boxes = shapely.box(*np.minimum(starts, ends).T, *np.maximum(starts, ends).T)
    tree = shapely.STRtree(boxes)
    count = 0
    for first in range(0, len(boxes), _EDGES_AT_ONCE):
        these, others = tree.query(boxes[first : first + _EDGES_AT_ONCE])
        count += int(np.count_nonzero(owner[these + first] < owner[others]))
        if count > MOST_CROSSINGS:
            return True
    return False


def _edges(
    shapes: Sequence[Polygon | MultiPolygon],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start and end, (n, 2) each, of all edges, and the (n,) number of the shape of each."""
    rings, polygon_of = shapely.get_rings(
        shapely.get_parts(np.asarray(shapes, object)), return_index=True
    )
    shape_of = shapely.get_parts(np.asarray(shapes, object), return_index=True)[1]
    corners, ring_of = shapely.get_coordinates(rings, return_index=True)
    joined = ring_of[:-1] == ring_of[1:]
    owner = shape_of[polygon_of[ring_of[:-1]]]
    return corners[:-1][joined], corners[1:][joined], owner[joined]
