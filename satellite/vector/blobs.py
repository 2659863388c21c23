"""Blobs: connected pixels of probable change, found block by block, each blob as a whole.

The result does not depend on where the borders of blocks run. A blob inside a block is cut out. A
blob that touches the block's border is followed beyond it in windows of its own, and belongs to the
block of its first pixel. Blocks are therefore independent, and the memory needed is that of one
block, or of the largest window followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from satellite.imagery.grid import Grid, Tile
from satellite.imagery.views import Picture
from satellite.layers.layers import Rasters, Reader

Mask = NDArray[np.bool_]

# Margin by which a blob is followed at first, pixels; doubled until the blob ends, up to what fits
# into memory beside the longest blob.
_STEP = 64
_LONGEST_STEP = 512
# Longest blob that is followed, pixels; longer ones are cut at the borders of blocks. 1 km at 0.5 m
# is not a building but a flood, a harvest or a failed alignment, and memory must be bounded.
LONGEST = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """Pixels at or above a level that touch each other, corners included.

    Attributes:
        appeared: Whether the pixels appeared; ``False``: they are gone.
        left: Column of the blob's window on the grid.
        top: Row of the blob's window on the grid.
        mask: bool ``(height, width)``: the blob's pixels; none in the margin along the edges.
        probability: uint8 of the same shape: probability times 255, surroundings included.
        quality: uint8 of the same shape of :class:`~satellite.imagery.views.Quality`.
    """

    appeared: bool
    left: int
    top: int
    mask: Mask
    probability: Picture
    quality: Picture


def blobs(
    reader: Reader, grid: Grid, tile: Tile, level: int, least_px: float, margin: int
) -> Iterator[Blob]:
    """Finds the blobs that belong to a block.

    Args:
        reader: The rasters.
        grid: The grid of the rasters.
        tile: The block; padded by ``margin``.
        level: Probability times 255 from which a pixel belongs to a blob.
        least_px: Least area of a blob's outline, pixels; smaller blobs are noise.
        margin: Pixels around a blob that are returned with it, 1 or more.

    Yields:
        The blobs that appeared, then those that are gone.
    """
    rasters = reader.read(tile.padded)
    for appeared in (True, False):
        probability = _band(rasters, appeared)
        inside = probability[tile.inner]
        if inside.max(initial=0) >= level:
            search = _Search(reader, grid, tile, appeared, level, margin)
            yield from search.run(rasters, inside, least_px)


@dataclass(slots=True)
class _Search:
    """The blobs of one block that appeared, or those that are gone."""

    reader: Reader
    grid: Grid
    tile: Tile
    appeared: bool
    level: int
    margin: int
    # The last blob that was followed: box, pixels, and whether it is whole.
    followed: tuple[Window, Mask, bool] | None = None

    def run(self, rasters: Rasters, inside: Picture, least_px: float) -> Iterator[Blob]:
        labels, boxes = _label(inside, self.level)
        core = self.tile.core
        for label, (x, y, width, height) in enumerate(boxes, 1):
            box = Window(core.col_off + x, core.row_off + y, width, height)
            leaves = self._leaves(box)
            # An outline passes less than a pixel outside of the outermost pixels' centres.
            if not leaves and (width + 1) * (height + 1) < least_px:
                continue
            here = labels[y : y + height, x : x + width] == label
            if not leaves:
                yield self._cut(rasters, self.tile.padded, box, here)
                continue
            whole = self._follow(box, here)
            if whole is None:  # too long
                yield self._cut(rasters, self.tile.padded, box, here)
            elif self._owns(*whole, labels, label):
                window = _grown(whole[0], self.margin)
                yield self._cut(self.reader.read(window), window, *whole)

    def _leaves(self, box: Window) -> bool:
        """Whether a blob with this box in the block may continue in another block."""
        core, right, bottom = self.tile.core, box.col_off + box.width, box.row_off + box.height
        return bool(
            box.col_off == core.col_off > 0
            or box.row_off == core.row_off > 0
            or right == core.col_off + core.width < self.grid.width
            or bottom == core.row_off + core.height < self.grid.height
        )

    def _follow(self, box: Window, here: Mask) -> tuple[Window, Mask] | None:
        """Box and pixels of the whole blob of a block's piece; ``None`` if it is too long."""
        # A pixel of the piece, in its first column.
        seed_x, seed_y = box.col_off, box.row_off + int(here[:, 0].argmax())
        if self.followed is not None:
            known, mask, whole = self.followed
            if _has(known, mask, seed_x, seed_y):  # another piece of the same blob
                return (known, mask) if whole else None
        step = _STEP
        while True:
            window = _grown(box, step)
            probability = _band(self.reader.read(window), self.appeared)
            labels, boxes = _label(probability, self.level)
            label = int(labels[seed_y - window.row_off, seed_x - window.col_off])
            x, y, width, height = boxes[label - 1]
            box = Window(window.col_off + x, window.row_off + y, width, height)
            mask = labels[y : y + height, x : x + width] == label
            too_long = max(width, height) > LONGEST
            ends = x > 0 and y > 0 and x + width < window.width and y + height < window.height
            if too_long or ends:
                self.followed = box, mask, not too_long
                return None if too_long else (box, mask)
            step = min(2 * step, _LONGEST_STEP)

    def _owns(self, box: Window, mask: Mask, labels: NDArray[np.int32], label: int) -> bool:
        """Whether the first pixel of a blob, row by row, lies in the block's piece."""
        core = self.tile.core
        row, col = box.row_off - core.row_off, box.col_off + int(mask[0].argmax()) - core.col_off
        within = 0 <= row < core.height and 0 <= col < core.width
        return within and int(labels[row, col]) == label

    def _cut(self, rasters: Rasters, window: Window, box: Window, mask: Mask) -> Blob:
        """Cuts the blob and its margin out of rasters whose place is ``window``."""
        around = _grown(box, self.margin)
        top, left = around.row_off - window.row_off, around.col_off - window.col_off
        part = slice(top, top + around.height), slice(left, left + around.width)
        return Blob(
            self.appeared,
            around.col_off,
            around.row_off,
            np.pad(mask, self.margin),
            _band(rasters, self.appeared)[part],
            rasters.quality[part],
        )


def _band(rasters: Rasters, appeared: bool) -> Picture:
    return rasters.appeared if appeared else rasters.gone


def _has(box: Window, mask: Mask, x: int, y: int) -> bool:
    """Whether a pixel of the grid belongs to a mask, whose place is ``box``."""
    row, col = y - box.row_off, x - box.col_off
    return 0 <= row < box.height and 0 <= col < box.width and bool(mask[row, col])


def _grown(box: Window, by: int) -> Window:
    return Window(box.col_off - by, box.row_off - by, box.width + 2 * by, box.height + 2 * by)


def _label(
    probability: Picture, level: int
) -> tuple[NDArray[np.int32], list[tuple[int, int, int, int]]]:
    """Numbers the blobs from 1; their boxes as (left, top, width, height)."""
    mask = (probability >= level).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats[1:]]
    return np.asarray(labels, np.int32), boxes
