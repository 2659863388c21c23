"""The grid of pixels on which two images are compared, and its division into tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points
from rasterio.windows import Window
from rasterio.windows import bounds as window_bounds

_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Tile:
    """A rectangular part of a grid.

    Attributes:
        row: Row among the tiles, from 0 in the north.
        col: Column among the tiles, from 0 in the west.
        core: The pixels that the tile decides; the cores of all tiles cover the grid without
            overlap.
        padded: The core with the margin that is read around it; may reach beyond the grid.
    """

    row: int
    col: int
    core: Window
    padded: Window

    @property
    def name(self) -> str:
        """A name that is unique within the grid, such as ``"r0003c0012"``."""
        return f"r{self.row:04d}c{self.col:04d}"

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the core within an array of the padded window."""
        top, left = self.core.row_off - self.padded.row_off, self.core.col_off - self.padded.col_off
        return slice(top, top + self.core.height), slice(left, left + self.core.width)


@dataclass(frozen=True)
class Grid:
    """A north-up grid of square pixels.

    Attributes:
        crs: The coordinate reference system.
        transform: From pixels (column, row; corners of pixels) to coordinates of ``crs``.
        width: Pixels from west to east.
        height: Pixels from north to south.
    """

    crs: CRS
    transform: Affine
    width: int
    height: int

    @cached_property
    def resolution_m(self) -> float:
        """Side of a pixel on the ground at the middle of the grid, metres on the ellipsoid."""
        x, y = self.width / 2, self.height / 2
        corners = [self.transform @ (x + dx, y + dy) for dx, dy in ((0, 0), (1, 0), (0, 1))]
        lon, lat = transform_points(self.crs, CRS.from_epsg(4326), *zip(*corners, strict=True))
        across = _GEOD.inv(lon[0], lat[0], lon[1], lat[1])[2]
        down = _GEOD.inv(lon[0], lat[0], lon[2], lat[2])[2]
        return float(np.sqrt(across * down))

    @property
    def window(self) -> Window:
        """The window of the whole grid."""
        return Window(0, 0, self.width, self.height)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in coordinates of ``crs``."""
        return self.bounds_of(self.window)

    def bounds_of(self, window: Window) -> tuple[float, float, float, float]:
        """West, south, east, north of a window in coordinates of ``crs``."""
        west, south, east, north = window_bounds(window, self.transform)
        return west, south, east, north

    def transform_of(self, window: Window) -> Affine:
        """The affine transform from pixels of a window to coordinates of ``crs``."""
        return self.transform @ Affine.translation(window.col_off, window.row_off)

    def tiles(self, side: int, margin: int) -> Iterator[Tile]:
        """Divides the grid into tiles.

        Args:
            side: Side of a tile's core, pixels; cores at the south and east edge may be smaller.
            margin: Pixels read around each core.

        Yields:
            The tiles, row by row.
        """
        for row in range(ceil(self.height / side)):
            for col in range(ceil(self.width / side)):
                x, y = col * side, row * side
                width, height = min(side, self.width - x), min(side, self.height - y)
                core = Window(x, y, width, height)
                padded = Window(x - margin, y - margin, width + 2 * margin, height + 2 * margin)
                yield Tile(row, col, core, padded)
