"""Synthetic aerial pictures: soil, plants, houses with shadows, roads; drawn in metres."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture, Views

Colour = tuple[float, float, float]

SOIL: Colour = (128.0, 112.0, 88.0)
GRASS: Colour = (84.0, 104.0, 62.0)
ASPHALT: Colour = (118.0, 117.0, 114.0)
SAND: Colour = (214.0, 200.0, 168.0)
_ROOF: tuple[Colour, Colour] = ((108.0, 109.0, 111.0), (82.0, 83.0, 86.0))
_FINE_M = 0.25  # pixel size of the drawing, which is averaged down to the sensor's


class Village:
    """A square of ground.

    Args:
        side_m: Side of the square, metres.
        seed: Seed of the spots and the noise.
    """

    def __init__(self, side_m: float = 128, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._side = round(side_m / _FINE_M)
        self._ground = np.empty((self._side, self._side, 3), np.float32)
        self.cover((0, 0, side_m, side_m), SOIL)

    def cover(self, box_m: tuple[float, float, float, float], colour: Colour) -> Village:
        """Covers a rectangle (left, top, right, bottom; metres) with plants or other cover."""
        place = _place(box_m)
        height, width = self._ground[place].shape[:2]
        spots = self._rng.normal(1, 0.1, (height // 8 + 2, width // 8 + 2)).astype(np.float32)
        soft = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
        self._ground[place] = np.asarray(colour, np.float32) * np.asarray(soft)[..., None]
        return self

    def pave(self, box_m: tuple[float, float, float, float]) -> Village:
        """Adds a road or a car park: even, grey, and flat."""
        self._ground[_place(box_m)] = ASPHALT
        return self

    def house(
        self,
        left_m: float,
        top_m: float,
        width_m: float = 14,
        depth_m: float = 12,
        roof: tuple[Colour, Colour] = _ROOF,
    ) -> Village:
        """Adds a gabled roof with a shadow to the north."""
        self._ground[_place((left_m, top_m - 4, left_m + width_m, top_m))] *= np.float32(0.3)
        middle = top_m + depth_m / 2
        self._ground[_place((left_m, middle, left_m + width_m, top_m + depth_m))] = roof[0]
        self._ground[_place((left_m, top_m, left_m + width_m, middle))] = roof[1]
        return self

    def tree(self, x_m: float, y_m: float, radius_m: float = 3) -> Village:
        """Adds a tree crown with a shadow to the north."""
        for offset, colour in ((-2.0, (30, 34, 28)), (0.0, (52, 78, 40))):
            centre = round(x_m / _FINE_M), round((y_m + offset) / _FINE_M)
            cv2.circle(self._ground, centre, round(radius_m / _FINE_M), colour, cv2.FILLED)
        return self

    def seen(self, resolution_m: float = 0.5, seed: int = 0) -> Picture:
        """The ground as a sensor of a resolution images it: uint8 ``(height, width, 3)``."""
        side = round(self._side * _FINE_M / resolution_m)
        picture = cv2.resize(self._ground, (side, side), interpolation=cv2.INTER_AREA)
        noise = np.random.default_rng(seed).normal(0, 1.5, (side, side, 3))
        return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def views(before: Picture, after: Picture, resolution_m: float = 0.5) -> Views:
    """Views of two pictures without masked pixels."""
    return Views(before, after, np.zeros(before.shape[:2], np.uint8), resolution_m)


def within(
    box_m: tuple[float, float, float, float], like: Picture, resolution_m: float = 0.5
) -> NDArray[np.bool_]:
    """The pixels of a rectangle."""
    left, top, right, bottom = (round(edge / resolution_m) for edge in box_m)
    mask = np.zeros(like.shape[:2], np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def _place(box_m: tuple[float, float, float, float]) -> tuple[slice, slice]:
    left, top, right, bottom = (round(edge / _FINE_M) for edge in box_m)
    return slice(max(0, top), bottom), slice(max(0, left), right)
