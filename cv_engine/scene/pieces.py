"""Regions beside each other: pieces of one thing, and changes that have one cause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.background import Region

# Changes no further apart in time than this have one cause, seconds.
_AT_ONCE_S = 1.5
# Pixels of the small picture up to which two regions touch, and part of the larger one's area up
# to which the smaller may be a piece of it.
_TOUCH_PX, _PIECE = 3, 0.5


def joined(regions: Sequence[Region]) -> list[Region]:
    """Regions with the pieces that belong to them.

    What came to rest at one moment and touches is one thing: where a thing resembles the ground,
    its region falls into pieces.

    Args:
        regions: The regions, largest first.
    """
    whole: list[list[Region]] = []
    for region in regions:
        for pieces in whole:
            if _is_piece(region, pieces[0]):
                pieces.append(region)
                break
        else:
            whole.append([region])
    return [merged(pieces) for pieces in whole]


def _is_piece(region: Region, of: Region) -> bool:
    (x1, y1, x2, y2), (u1, v1, u2, v2) = region.box, of.box
    touches = max(u1 - x2, x1 - u2, v1 - y2, y1 - v2) <= _TOUCH_PX
    at_once = abs(region.since - of.since) <= _AT_ONCE_S
    return touches and at_once and region.area <= _PIECE * of.area


def merged(regions: Sequence[Region]) -> Region:
    """One region with the pixels of all, since when the largest has been there."""
    if len(regions) == 1:
        return regions[0]
    boxes = np.array([region.box for region in regions])
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    mask = np.zeros((bottom - top, right - left), np.bool_)
    for region in regions:
        x1, y1, x2, y2 = region.box
        mask[y1 - top : y2 - top, x1 - left : x2 - left] |= region.mask
    since = max(regions, key=lambda region: region.area).since
    box = (int(left), int(top), int(right), int(bottom))
    return Region(box, since, int(np.count_nonzero(mask)), mask)


def came_with(lights: Sequence[Region], region: Region) -> bool:
    """Whether light changed elsewhere at the same time, on as much ground: a thing comes alone.

    Args:
        lights: Regions that show light.
        region: A region that may show a thing.
    """
    x1, y1, x2, y2 = region.box
    reach = max(x2 - x1, y2 - y1)
    elsewhere = 0
    for light in lights:
        gap_x = max(light.box[0] - x2, x1 - light.box[2])
        gap_y = max(light.box[1] - y2, y1 - light.box[3])
        at_once = abs(light.since - region.since) <= _AT_ONCE_S
        if at_once and max(gap_x, gap_y) > reach:
            elsewhere += light.area
    return elsewhere >= region.area


def filled(box: NDArray[np.float32], since: float, shape: tuple[int, ...]) -> Region:
    """A region that fills a box.

    Args:
        box: ``(x1, y1, x2, y2)`` in pixels of the small picture.
        since: When the region came to rest, seconds.
        shape: Shape of the small picture; what sticks out is cut.
    """
    height, width = shape
    x1, y1, x2, y2 = np.round(box).astype(int).clip(0, (width, height) * 2).tolist()
    mask = np.ones((y2 - y1, x2 - x1), np.bool_)
    return Region((x1, y1, x2, y2), since, mask.size, mask)
