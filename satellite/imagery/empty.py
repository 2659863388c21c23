"""Empty ground that no metadata marks: black or white borders, slanted edges and missing tiles.

Processing fills what a scene does not cover with one value, often without a nodata tag. Such ground
is constant to the last bit, also in JPEG except for the blocks across its edge. Real ground is so
only where it is saturated: in deep shadow, on white roofs, in thick cloud. Empty ground differs
from these by its place and shape: it runs along the border of the image, or is made of whole tiles.

The image is divided into cells of 8 x 8 pixels. Values that fill whole stretches of the border, or
whole blocks of the file, are looked for in all cells; an image without such values is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from satellite.imagery.fill_values import (
    CELL_PX,
    CORNER_PX,
    Read,
    Valid,
    Values,
    equal,
    find_fill_values,
)

Cells = NDArray[np.uint8]

# Rows of cells that are read together, pixels.
_ROWS_PX = 512
# Length along the border, pixels or share of the side, from which constant ground is empty: a white
# roof across the border is shorter.
_LONG_PX = 128
_LONG_SHARE = 0.5
# Side of tiles that may be missing inside, pixels: that of the file's blocks, unless a multiple of
# the second number or less than the first. Rectangles at other places are missing from the third
# length: no roof is so large; black ones from the first: nothing on the ground is so straight.
_TILE_PX = (64, 128)
_RECTANGLE_PX = 256
# Least share of a tile or rectangle that is constant.
_FULL = 0.9
# Number of places at which an edge is examined, and the reach in pixels. Empty ground is cut off:
# at most places the difference rises from one share of its height to the other within so many
# pixels. Clouds fade.
_PLACES = 64
_REACH_PX = 32
_RISE = (0.3, 0.7)
_RISE_PX = 3
# Compression changes pixels beside empty ground: by so many grey levels of 8 bits, this far.
_NEAR = 24
_NEAR_PX = 16


@dataclass(frozen=True, slots=True, eq=False)
class EmptyGround:
    """The empty ground of an image.

    Attributes:
        cells: uint8: the number of the value that fills a cell, from 1; 0: ground.
        values: The values ``(bands,)`` by number, less one.
        eight_bit: Whether the image has 8 bits.
    """

    cells: Cells
    values: tuple[Values, ...]
    eight_bit: bool

    def within(self, window: Window, values: Values, bands: list[int], shrink: int) -> Valid | None:
        """Finds the empty pixels of a window.

        Args:
            window: Part of the image; both sides are multiples of ``shrink``.
            values: ``(bands, height, width)`` of the window.
            bands: Which of the examined bands ``values`` has, from 0.
            shrink: Side of the squares of image pixels that make up a pixel of ``values``.

        Returns:
            bool ``(height, width)``; ``None`` where no pixel is empty.
        """
        margin = -(-(_NEAR_PX + CELL_PX) // shrink)
        numbers = self._numbers(window, values.shape[1:], shrink, margin)
        if not numbers.any():
            return None
        inner = slice(margin, -margin), slice(margin, -margin)
        if shrink > 1:
            return np.asarray(_dilated(numbers > 0, margin)[inner], np.bool_)
        found = np.zeros(values.shape[1:], np.bool_)
        for number, value in enumerate(self.values, start=1):
            core = numbers == number
            if core.any():
                same = equal(values, value[bands], self.eight_bit)
                core[inner] &= same
                found |= self._grown(core, same, values, value[bands])[inner]
        return np.asarray(_dilated(found, 1), np.bool_)

    def _numbers(self, window: Window, shape: tuple[int, ...], shrink: int, margin: int) -> Cells:
        """The numbers of the cells under the pixels of a window and of a margin around it."""
        rows, cols = (
            (start + (np.arange(-margin, size + margin) + 0.5) * shrink) // CELL_PX
            for start, size in zip((window.row_off, window.col_off), shape, strict=True)
        )
        rows, cols = (
            np.clip(places.astype(np.intp), 0, size - 1)
            for places, size in zip((rows, cols), self.cells.shape, strict=True)
        )
        return np.asarray(self.cells[rows[:, None], cols[None, :]], np.uint8)

    def _grown(self, core: Valid, same: Valid, values: Values, value: Values) -> Valid:
        """Adds connected pixels of the same value, and of nearly the same close by."""
        margin = (core.shape[0] - same.shape[0]) // 2
        inner = slice(margin, -margin), slice(margin, -margin)
        grown = core.copy()
        grown[inner] |= same
        grown = _touching(grown, core)
        if self.eight_bit:
            off = np.abs(values.astype(np.int16) - value.astype(np.int16)[:, None, None]).max(0)
            near = grown.copy()
            near[inner] |= off <= _NEAR
            grown = _touching(near & _dilated(grown, _NEAR_PX).astype(np.bool_), grown)
        return grown


def find_empty_ground(
    dataset: DatasetReader, read: Read, *, remote: bool = False
) -> EmptyGround | None:
    """Finds the empty ground of an image.

    Args:
        dataset: The opened image.
        read: Reads a window of the bands to examine, ``(bands, height, width)``, and the mask
            ``(height, width)`` of pixels that metadata do not mark as empty; ``None``: all.
        remote: Whether the image is read over the network, where less is examined.

    Returns:
        The empty ground; ``None`` without any.
    """
    eight_bit = dataset.dtypes[0] == "uint8"
    size = (dataset.height, dataset.width)
    kept: list[Values] = []
    cells = np.zeros([-(-side // CELL_PX) for side in size], np.uint8)
    for value in find_fill_values(dataset, read, remote=remote):
        filled = _filled(read, size, value, eight_bit)
        empty = _empty_of(filled, size, dataset.block_shapes[0], read, value, eight_bit)
        if empty.any():
            kept.append(value)
            cells[empty] = len(kept)
    return EmptyGround(cells, tuple(kept), eight_bit) if kept else None


def _filled(read: Read, size: tuple[int, int], value: Values, eight_bit: bool) -> Valid:
    """The cells all of whose pixels have a value and are not marked as empty already."""
    height, width = size
    parts = []
    for top in range(0, height, _ROWS_PX):
        window = Window(0, top, width, min(_ROWS_PX, height - top))
        values, valid = read(window)
        same = equal(values, value, eight_bit)
        if valid is not None:
            same &= valid
        # At the border the outermost pixels decide, for borders narrower than a cell.
        same[:, :CELL_PX] |= same[:, :1]
        same[:, (width - 1) // CELL_PX * CELL_PX :] |= same[:, -1:]
        if top == 0:
            same[:CELL_PX] |= same[:1]
        if top + same.shape[0] == height:
            same[(same.shape[0] - 1) // CELL_PX * CELL_PX :] |= same[-1:]
        rows, cols = -same.shape[0] % CELL_PX, -same.shape[1] % CELL_PX
        same = np.pad(same, ((0, rows), (0, cols)), "edge")
        parts.append(same.reshape(same.shape[0] // CELL_PX, CELL_PX, -1, CELL_PX).all(axis=(1, 3)))
    return np.concatenate(parts)


def _empty_of(
    filled: Valid,
    size: tuple[int, int],
    block: tuple[int, int],
    read: Read,
    value: Values,
    eight_bit: bool,
) -> Valid:
    """The regions of filled cells that are empty ground."""
    count, found, stats, _ = cv2.connectedComponentsWithStats(filled.view(np.uint8))
    labels = np.asarray(found, np.int32)
    empty = np.zeros(count, np.bool_)
    whole = _whole_tiles(labels, count, block)
    for label in range(1, count):
        left, top, wide, high, area = (int(number) for number in stats[label])
        there = labels[top : top + high, left : left + wide] == label
        region = _Region(there, (top, left), filled.shape, size)
        black = not value.any() or (not eight_bit and _marks_nodata(value))
        straight = area >= _FULL * wide * high
        least = _TILE_PX[0] if black else _RECTANGLE_PX
        # Cells that the region fills only in part are not counted.
        large = (min(wide, high) + 2) * CELL_PX > least
        shaped = whole[label] >= _FULL * area or (straight and large)
        if shaped or region.is_along_border(black=black):
            empty[label] = black or _is_cut_off(region, read, value)
    return np.asarray(empty[labels])


def _marks_nodata(value: Values) -> bool:
    """Whether a value is one that no ground has: the same in all bands, negative or the largest."""
    largest = np.iinfo(value.dtype).max if value.dtype.kind in "iu" else np.inf
    return bool((value == value[0]).all() and (value[0] < 0 or value[0] == largest))


def _whole_tiles(labels: NDArray[np.int32], count: int, block: tuple[int, int]) -> Values:
    """Number of each region's cells that lie in tiles the region fills."""
    low, high = _TILE_PX
    sides = [
        (side if side % high else high) if low <= side and side % CELL_PX == 0 else high
        for side in block
    ]
    rows, cols = (
        np.arange(size) // (side // CELL_PX) for size, side in zip(labels.shape, sides, strict=True)
    )
    tiles = rows[:, None] * (cols[-1] + 1) + cols[None, :]
    number = tiles.astype(np.int64) * count + labels
    found, cells = np.unique(number, return_counts=True)
    sizes = np.bincount(tiles.ravel())
    full = cells >= _FULL * sizes[found // count]
    return np.bincount((found % count)[full], cells[full], count)


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """A connected region of filled cells.

    Attributes:
        cells: bool: the region within its bounding box.
        place: Row and column of the box.
        shape: Rows and columns of all cells.
        size: Height and width of the image, pixels.
    """

    cells: Valid
    place: tuple[int, int]
    shape: tuple[int, ...]
    size: tuple[int, int]

    def is_along_border(self, *, black: bool) -> bool:
        """Whether the region runs along the image's border, or from side to side."""
        (top, left), (high, wide) = self.place, self.cells.shape
        bottom, right = top + high == self.shape[0], left + wide == self.shape[1]
        touched = [
            (top == 0, self.cells[0], self.size[1]),
            (bottom, self.cells[-1], self.size[1]),
            (left == 0, self.cells[:, 0], self.size[0]),
            (right, self.cells[:, -1], self.size[0]),
        ]
        lengths = [int(there) * int(line.sum()) * CELL_PX for there, line, _ in touched]
        if any(
            length >= min(_LONG_PX, _LONG_SHARE * side)
            for length, (_, _, side) in zip(lengths, touched, strict=True)
        ):
            return True
        corners = (
            (top == 0 and left == 0 and self.cells[0, 0])
            or (top == 0 and right and self.cells[0, -1])
            or (bottom and left == 0 and self.cells[-1, 0])
            or (bottom and right and self.cells[-1, -1])
        )
        if black and corners and max(lengths) >= CORNER_PX:
            return True
        spans = (top == 0 and bottom) or (left == 0 and right)
        return bool(spans and self.cells.mean() >= _FULL)

    def edges(self) -> Iterator[tuple[Window, int]]:
        """Lines of pixels across the region's edge: from inside to outside along an axis.

        Yields:
            The line, and 1 where it goes right or down, -1 where it goes left or up.
        """
        padded = np.pad(self.cells, 1)
        reach = _REACH_PX + CELL_PX
        lines = []
        for axis, way in ((0, 1), (0, -1), (1, 1), (1, -1)):
            ends = padded & ~np.roll(padded, -way, axis)
            for row, col in np.argwhere(ends) - 1:
                y, x = ((row + self.place[0]) * CELL_PX, (col + self.place[1]) * CELL_PX)
                start = (y if axis == 0 else x) - (0 if way > 0 else _REACH_PX)
                if axis == 0:
                    window = Window(int(x + CELL_PX // 2), int(start), 1, reach)
                else:
                    window = Window(int(start), int(y + CELL_PX // 2), reach, 1)
                height, width = self.size
                if (
                    start >= 0
                    and window.row_off + window.height <= height
                    and window.col_off + window.width <= width
                ):
                    lines.append((window, way))
        step = max(1, len(lines) // _PLACES)
        yield from lines[::step]


def _is_cut_off(region: _Region, read: Read, value: Values) -> bool:
    """Whether a region is cut off at most places of its edge."""
    sharp = []
    for window, way in region.edges():
        values = read(window)[0].reshape(len(value), -1)[:, ::way].astype(np.float64)
        off = np.abs(values - value.astype(np.float64)[:, None]).max(axis=0)
        height = np.median(off[-_REACH_PX // 2 :])
        first, last = (int((off >= share * height).argmax()) for share in _RISE)
        sharp.append(last - first <= _RISE_PX)
    return not sharp or float(np.mean(sharp)) > 0.5


def _dilated(mask: Valid, radius: int) -> Values:
    element = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), element))


def _touching(mask: Valid, seeds: Valid) -> Valid:
    """The connected parts of a mask that contain any of the seeds."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    keep = np.zeros(count, np.bool_)
    keep[np.unique(labels[seeds])] = True
    keep[0] = False
    return np.asarray(keep[labels])
