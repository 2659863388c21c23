"""Gaps: areas that could not be compared, as polygons; a gap never counts as unchanged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely.affinity import affine_transform, translate

from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture, Quality
from satellite.layers.layers import Reader
from satellite.vector.geodesy import area_m2

# Side of the cells in which gaps are outlined, metres: masks are no more exact than that, and a
# city's clouds in single pixels would be millions of vertices. A cell is a gap if any pixel is.
_CELL_M = 5.0
# Side of the blocks in which the raster is read, pixels.
_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Gap:
    """An area that could not be compared.

    Attributes:
        reason: Why the area could not be compared.
        polygon: In coordinates of the grid.
        area_m2: Area on the ellipsoid.
    """

    reason: Quality
    polygon: shapely.Polygon
    area_m2: float


def gaps(reader: Reader, grid: Grid, progress: Callable[[float], None] | None = None) -> list[Gap]:
    """Outlines the areas that could not be compared, in cells of 5 m, or of a pixel if larger.

    Args:
        reader: The rasters, such as :class:`~satellite.layers.layers.Layers`.
        grid: The grid of the rasters.
        progress: Called with the share done, 0 to 1, after each block.

    Returns:
        The gaps, reason by reason; gaps of one reason share no edge.
    """
    cell = max(1, round(_CELL_M / grid.resolution_m))
    tiles = list(grid.tiles(cell * max(1, _BLOCK // cell), 0))
    pieces: dict[int, list[shapely.Polygon]] = defaultdict(list)
    for number, tile in enumerate(tiles, 1):
        quality = reader.read(tile.core).quality
        if quality.any():
            # Blocks are whole cells, so that neighbouring blocks agree to the last bit.
            left, top = tile.core.col_off // cell, tile.core.row_off // cell
            for reason, polygon in _outlined(_cells(quality, cell)):
                pieces[reason].append(translate(polygon, left, top))
        if progress is not None:
            progress(number / len(tiles))
    return [
        Gap(Quality(reason), polygon, area_m2(polygon, grid.crs))
        for reason, found in sorted(pieces.items())
        for polygon in _placed(found, grid, cell)
    ]


def _cells(quality: Picture, cell: int) -> Picture:
    """The most frequent reason among the pixels of each cell that have one."""
    height, width = quality.shape
    padded = np.pad(quality, ((0, -height % cell), (0, -width % cell)))
    blocks = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell)
    reasons = [reason for reason in Quality if reason != Quality.CLEAR]
    counts = np.stack([(blocks == reason).sum(axis=(1, 3), dtype=np.int32) for reason in reasons])
    most: NDArray[np.intp] = counts.argmax(axis=0)
    named = np.array(reasons, np.uint8)[most]
    return np.where(counts.any(axis=0), named, np.uint8(Quality.CLEAR))


def _outlined(cells: Picture) -> list[tuple[int, shapely.Polygon]]:
    """Outlines of areas of equal cells, with their value; lengths are cells."""
    return [
        (int(value), shapely.Polygon(rings[0], rings[1:]))
        for rings, value in (
            (shape["coordinates"], value)
            for shape, value in shapes(cells, mask=cells != Quality.CLEAR, connectivity=4)
        )
    ]


def _placed(pieces: list[shapely.Polygon], grid: Grid, cell: int) -> list[shapely.Polygon]:
    """Joins the pieces of different blocks, and transforms them to the grid's coordinates."""
    within = shapely.box(0, 0, grid.width / cell, grid.height / cell)
    joined = shapely.union_all(pieces).intersection(within).simplify(0)
    matrix = (grid.transform @ Affine.scale(cell)).to_shapely()
    return [
        affine_transform(shape, matrix)
        for shape in shapely.get_parts(joined)
        if isinstance(shape, shapely.Polygon)
    ]
