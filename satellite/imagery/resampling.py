"""Resamples an image onto a grid: positions of grid pixels on the image, and interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid

Floats = NDArray[np.float64]
Map = NDArray[np.float32]

# Largest offset over a whole grid at which pixels still count as the same, in pixels: far below the
# accuracy of any registration.
_SAME_PX = 0.01
# Image pixels per grid pixel above which they are averaged first: bilinear interpolation would skip
# some of them.
_AVERAGED_FROM = 1.5
# Web Mercator, and the length of its equator, metres.
_MERCATOR = CRS.from_epsg(3857)
_MERCATOR_PERIOD = 2 * np.pi * 6_378_137.0
# Distance in pixels of the exactly projected positions, between which others are interpolated: over
# 64 px of 10 m a projection bends by 1 cm.
_STEP = 64


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Positions of a window's pixels on a part of an image.

    Attributes:
        window: The part, in pixels of the image.
        x: float32 ``(height, width)``: column in the part; 0 is the centre of its first pixel.
        y: float32 ``(height, width)``: row in the part.
        inside: bool ``(height, width)``: whether a pixel lies on the image; ``None`` where all do.
    """

    window: Window
    x: Map
    y: Map
    inside: NDArray[np.bool_] | None

    def values(self, source: NDArray[Any]) -> NDArray[Any]:
        """Interpolates bilinearly.

        Args:
            source: uint8 or float32 values of ``window``: ``(height, width)`` or
                ``(height, width, bands)``.
        """
        return np.asarray(
            cv2.remap(source, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )

    def valid(self, source: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Where all pixels that a value is interpolated from are valid."""
        if source is None:
            inside = np.ones(self.x.shape, np.bool_) if self.inside is None else self.inside
            return inside
        valid: NDArray[np.bool_] = self.values(source.view(np.uint8) * np.uint8(255)) == 255
        return valid if self.inside is None else valid & self.inside


class Resampling:
    """The resampling of one image onto one grid.

    Args:
        image: The image's own pixel grid, possibly rotated, in any coordinate reference system.
        grid: The grid onto which the image is resampled.
        label: The user's name for the image.

    Attributes:
        offset: Column and row of the grid's first pixel on the image where the two share their
            pixels, so that nothing is interpolated; ``None`` elsewhere.
        shrink: Side of the squares of image pixels that are averaged first.
    """

    def __init__(self, image: Grid, grid: Grid, label: str) -> None:
        self._image = image
        self._grid = grid
        self._label = label
        self._same_crs = image.crs == grid.crs
        self._period = longitude_period(image.crs)
        self._middle_x = float(apply(image.transform, image.width / 2, image.height / 2)[0])
        self.offset = shared_offset(image, grid) if self._same_crs else None
        ratio = grid.resolution_m / image.resolution_m
        self.shrink = round(ratio) if ratio > _AVERAGED_FROM else 1

    def positions(self, window: Window) -> Positions | None:
        """The positions of a window's pixels on the image.

        Args:
            window: Pixels of the grid.

        Returns:
            The positions; ``None`` where the image does not reach the window.

        Raises:
            SatelliteError: Places in the window cannot be expressed in the image's coordinates.
        """
        rows, cols = int(window.height), int(window.width)
        x, y = self._nodes(window)
        part = self._part(x, y)
        if part is None:
            return None
        down, across = _weights(rows, x.shape[0]), _weights(cols, x.shape[1])
        # Relative to the part and in averaged pixels, so that float32 holds 1/1000 px.
        local = [
            ((node + 0.5 - start) / self.shrink - 0.5).astype(np.float32)
            for node, start in ((x, part.col_off), (y, part.row_off))
        ]
        maps = [down @ nodes @ across.T for nodes in local]
        return Positions(part, maps[0], maps[1], self._inside(x, y, part, maps))

    def _nodes(self, window: Window) -> tuple[Floats, Floats]:
        """Exact columns and rows on the image of a lattice of the window's pixels."""
        across, down = (
            np.linspace(0, side - 1, 2 if self._same_crs else max(2, ceil((side - 1) / _STEP) + 1))
            for side in (int(window.width), int(window.height))
        )
        col, row = np.meshgrid(window.col_off + across + 0.5, window.row_off + down + 0.5)
        x, y = apply(self._grid.transform, col, row)
        if not self._same_crs:
            x, y = project(self._grid.crs, self._image.crs, x, y)
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                raise SatelliteError(
                    f"{self._label}: places of the comparison cannot be expressed in its "
                    f"coordinate reference system; compare a smaller area, or give the image "
                    f"another one: gdalwarp -t_srs EPSG:..."
                )
        if self._period is not None:
            x = unwrapped(x, self._middle_x, self._period)
        col, row = apply(~self._image.transform, x, y)
        return col - 0.5, row - 0.5

    @property
    def _size(self) -> tuple[int, int]:
        """Columns and rows of the image that form whole squares."""
        image = self._image
        return image.width - image.width % self.shrink, image.height - image.height % self.shrink

    def _part(self, x: Floats, y: Floats) -> Window | None:
        """The part of the image that is needed, in whole squares; all windows share the squares."""
        spans = []
        for nodes, size in zip((x, y), self._size, strict=True):
            if nodes.max() < -0.5 or nodes.min() > size - 0.5:
                return None
            first = floor(nodes.min() / self.shrink - 1) * self.shrink
            last = ceil((nodes.max() + 1) / self.shrink + 1) * self.shrink
            spans.append((max(first, 0), min(last, size)))
        (left, right), (top, bottom) = spans
        return Window(left, top, right - left, bottom - top)

    def _inside(
        self, x: Floats, y: Floats, part: Window, maps: list[Map]
    ) -> NDArray[np.bool_] | None:
        tests = []
        starts = (part.col_off, part.row_off)
        for nodes, size, start, where in zip((x, y), self._size, starts, maps, strict=True):
            first = -0.5 - start / self.shrink
            if nodes.min() < -0.5:
                tests.append(where >= first - _SAME_PX)
            if nodes.max() > size - 0.5:
                tests.append(where <= first + size / self.shrink + _SAME_PX)
        return np.logical_and.reduce(tests) if tests else None


def shared_offset(image: Grid, grid: Grid) -> tuple[int, int] | None:
    """Column and row of a grid's first pixel on an image of the same coordinate reference system.

    Returns:
        Column and row; ``None`` unless every grid pixel coincides with an image pixel (or would,
        beyond the image's edges).
    """
    step = ~image.transform @ grid.transform
    col, row = round(step.c), round(step.f)
    for x, y in ((0, 0), (grid.width, 0), (0, grid.height)):
        there = step @ (x, y)
        if max(abs(there[0] - x - col), abs(there[1] - y - row)) > _SAME_PX:
            return None
    return col, row


def apply(transform: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Applies an affine transform to arrays of coordinates."""
    a, b, c, d, e, f = tuple(transform)[:6]
    return a * x + b * y + c, d * x + e * y + f


def project(source: CRS, target: CRS, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coordinates in another CRS, x eastward; infinite where a place has none there."""
    try:
        there = _transformer(source.to_wkt(), target.to_wkt()).transform(x, y)
    except ProjError:  # a local CRS without a place on Earth
        there = np.full_like(x, np.inf), np.full_like(y, np.inf)
    return np.asarray(there[0], np.float64), np.asarray(there[1], np.float64)


def longitude_period(crs: CRS) -> float | None:
    """The length of one turn around the Earth along x; ``None`` where x does not go around it.

    In such a CRS one place has different coordinates on the two sides of the antimeridian.
    """
    if crs.is_geographic:
        return 360.0
    return _MERCATOR_PERIOD if crs == _MERCATOR else None


def unwrapped(x: Floats, middle: float, period: float) -> Floats:
    """Coordinates along x, shifted by whole turns to within half a turn of ``middle``."""
    return x + period * np.round((middle - x) / period)


@lru_cache(maxsize=16)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _weights(pixels: int, nodes: int) -> Map:
    """float32 ``(pixels, nodes)``: weights of linear interpolation between evenly spaced nodes."""
    place = np.linspace(0, nodes - 1, pixels)
    first = np.minimum(place.astype(np.intp), nodes - 2)
    weights = np.zeros((pixels, nodes), np.float32)
    weights[np.arange(pixels), first] = first + 1 - place
    weights[np.arange(pixels), first + 1] = place - first
    return weights
