"""Morphological building index: how much a pixel belongs to a compact, bright structure.

Roofs are brighter than their surroundings and bounded on all sides. An opening by a line longer
than the roof removes the roof in every direction; a road survives in its own direction, and a field
in all. The index is the mean, over directions and lengths, of what each longer line removes (Huang
and Zhang 2011, Photogrammetric Engineering & Remote Sensing 77(7), and 2012, IEEE J-STARS 5(1)).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture

# Lengths of the lines, metres: from the width of a shed to the width of a hall.
_LENGTHS_M: Final = (4.0, 8.0, 12.0, 18.0, 26.0, 36.0)
_DIRECTIONS: Final = 4
_SQUARE: Final = np.ones((3, 3), np.uint8)


def building_index(brightness: Picture, resolution_m: float) -> NDArray[np.float32]:
    """Computes the morphological building index.

    Args:
        brightness: uint8 ``(height, width)``; for dark roofs, inverted.
        resolution_m: Side of a pixel, metres.

    Returns:
        float32 ``(height, width)``, in levels of brightness.
    """
    total = np.zeros(brightness.shape, np.uint16)
    lengths = sorted({round(length / resolution_m) // 2 * 2 + 1 for length in _LENGTHS_M} - {1})
    for direction in range(_DIRECTIONS):
        last = brightness
        for length in lengths:
            opened = _opened(brightness, length, direction)
            total += np.asarray(cv2.absdiff(last, opened), np.uint8)
            last = opened
    return (total / np.float32(_DIRECTIONS * len(_LENGTHS_M))).astype(np.float32)


def _opened(brightness: Picture, length: int, direction: int) -> Picture:
    """Opening by a line, with reconstruction limited to the line's length.

    Structures that contain the line regain their shape. Full reconstruction would continue along a
    drive into the whole road network, and costs more.
    """
    line = _line(length, direction)
    opened = cv2.morphologyEx(brightness, cv2.MORPH_OPEN, line, borderType=cv2.BORDER_REFLECT_101)
    for _ in range(length // 2):
        opened = cv2.min(cv2.dilate(opened, _SQUARE), brightness)
    return np.asarray(opened, np.uint8)


def _line(length: int, direction: int) -> Picture:
    """A line of ``length`` pixels through the centre, rotated by ``direction`` times 45 degrees."""
    if direction == 0:
        return np.ones((1, length), np.uint8)
    if direction == 2:
        return np.ones((length, 1), np.uint8)
    side = round(length / np.sqrt(2)) // 2 * 2 + 1
    line = np.eye(side, dtype=np.uint8)
    return line if direction == 1 else np.ascontiguousarray(line[:, ::-1])
