"""Covers the selected parts of a window with rectangles of given sides and small total area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Mask

_Numbers = NDArray[np.intp]

# Cells along the shortest side: the cover is found on cells of this size, not pixel by pixel.
_CELLS = 8
# Largest total area of the parts of a split, as a share of the unsplit area: smaller gains do not
# outweigh more tiles with less context.
_WORTH = 0.85


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle of a window, pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of the rectangle."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def area(self) -> int:
        """Area in pixels."""
        return self.height * self.width


def cover(wanted: Mask, sides: Sequence[int], edge: int) -> list[Rectangle]:
    """Places rectangles so that each selected pixel lies well within one.

    The selection is cut in two by the straight line that gives the least total area, and each part
    again, for as long as that saves enough: a greedy tree of guillotine cuts. A part shorter than a
    rectangle is centred in it, so that a lone spot has context on all sides; a longer part takes
    several rectangles.

    Args:
        wanted: bool ``(height, width)``, both at least the shortest side.
        sides: Allowed heights and widths of rectangles, pixels, ascending; those longer than the
            window are ignored.
        edge: Least distance of each selected pixel from the border of one of its rectangles,
            pixels, except at the window's edge.

    Returns:
        The rectangles; all lie within the window.
    """
    cell = max(1, sides[0] // _CELLS)
    rows, cols = (_Axis.of(length, cell, tuple(sides), edge) for length in wanted.shape)
    cells = _cells(wanted, cell)
    found = _Cutter(rows, cols).cover(cells, 0, 0) if cells.any() else []
    return [one for one in found if wanted[one.part].any()]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Covering one axis of the window.

    Attributes:
        length: Length of the window, pixels.
        cell: Side of a cell, pixels.
        sides: Allowed sides of rectangles, pixels, ascending.
        edge: Context needed around selected pixels, pixels.
        total: ``(n + 1, n + 1)``: summed length of the rectangles for the cells from the first
            index up to the second, pixels; overlaps count twice.
    """

    length: int
    cell: int
    sides: tuple[int, ...]
    edge: int
    total: _Numbers

    @classmethod
    @lru_cache(maxsize=16)  # the windows of a scene have few sizes
    def of(cls, length: int, cell: int, sides: tuple[int, ...], edge: int) -> _Axis:
        """The axis of a window of the given length."""
        fitting = np.array([side for side in sides if side <= length])
        bounds = np.arange(-(-length // cell) + 1) * cell
        begin, end = np.maximum(bounds - edge, 0), np.minimum(bounds + edge, length)
        span = end[None, :] - begin[:, None]
        count, side = _tile_count(span, fitting, edge)
        return cls(length, cell, tuple(fitting.tolist()), edge, count * side)

    def placements(self, first: int, last: int) -> list[tuple[int, int]]:
        """Start and length of the rectangles that cover the cells from ``first`` up to ``last``."""
        begin = max(first * self.cell - self.edge, 0)
        end = min(last * self.cell + self.edge, self.length)
        found = _tile_count(np.array(end - begin), np.array(self.sides), self.edge)
        count, side = (int(value) for value in found)
        if count == 1:
            start = (begin + end - side) // 2
            return [(min(max(0, start), self.length - side), side)]
        spare = end - begin - side
        return [(begin + number * spare // (count - 1), side) for number in range(count)]


def _tile_count(span: _Numbers, sides: _Numbers, edge: int) -> tuple[_Numbers, _Numbers]:
    """Number and side of rectangles in a row that cover a span, each pixel well within one."""
    gained = np.maximum(sides - 2 * edge, 1)  # by each rectangle after the first
    count = np.maximum(1, -(-(span - 2 * edge) // gained[-1]))
    needed = -(-(span - 2 * edge) // count) + 2 * edge
    return count, sides[np.minimum(np.searchsorted(sides, needed), len(sides) - 1)]


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Cuts the selection into parts until the rectangles have little area."""

    rows: _Axis
    cols: _Axis

    def cover(self, cells: Mask, top: int, left: int) -> list[Rectangle]:
        """Rectangles for a block of cells whose first cell is (``top``, ``left``)."""
        cells, top, left = _trim(cells, top, left)
        whole = [
            Rectangle(y, x, height, width)
            for y, height in self.rows.placements(top, top + cells.shape[0])
            for x, width in self.cols.placements(left, left + cells.shape[1])
        ]
        area = _area(whole)
        smallest = self.rows.sides[0] * self.cols.sides[0]
        wanted = int(np.count_nonzero(cells)) * self.rows.cell**2
        if max(smallest, wanted) > _WORTH * area:
            return whole
        parts = self._cut(cells, top, left)
        return parts if _area(parts) <= _WORTH * area else whole

    def _cut(self, cells: Mask, top: int, left: int) -> list[Rectangle]:
        """Rectangles of the two parts of the best cut of cells that fill their bounding box."""
        across, across_at = _best_cut(cells, self.rows.total, self.cols.total, top, left)
        down, down_at = _best_cut(cells.T, self.cols.total, self.rows.total, left, top)
        if across <= down:
            parts = (cells[:across_at], top, left), (cells[across_at:], top + across_at, left)
        else:
            parts = (cells[:, :down_at], top, left), (cells[:, down_at:], top, left + down_at)
        return [one for part in parts for one in self.cover(*part)]


def _best_cut(
    cells: Mask, rows: _Numbers, cols: _Numbers, top: int, left: int
) -> tuple[float, int]:
    """The cut between two rows that gives the least area.

    Args:
        cells: The selected cells; the first and last row contain some.
        rows: Summed length of rectangles along the first axis, see :class:`_Axis`.
        cols: Summed length of rectangles along the second axis.
        top: Index of the first row in the window.
        left: Index of the first column.

    Returns:
        The area, and the number of rows above the cut; infinite for a single row.
    """
    if len(cells) == 1:
        return np.inf, 0
    end = top + len(cells)
    above = _area_above(cells, rows[top, top + 1 : end + 1], cols, left)
    below = _area_above(cells[::-1], rows[top:end, end][::-1], cols, left)
    both = above[:-1] + below[-2::-1]
    at = int(both.argmin())
    return float(both[at]), at + 1


def _area_above(cells: Mask, rows: _Numbers, cols: _Numbers, left: int) -> _Numbers:
    """Area of the rectangles for the first one, two, and so on rows, of heights ``rows``."""
    some = cells.any(axis=1)
    number = np.arange(len(cells))
    last_row = np.maximum.accumulate(np.where(some, number, 0))
    first = np.where(some, cells.argmax(axis=1), cells.shape[1])
    last = np.where(some, cells.shape[1] - cells[:, ::-1].argmax(axis=1), 0)
    first, last = np.minimum.accumulate(first), np.maximum.accumulate(last)
    return np.asarray(rows[last_row] * cols[left + first, left + last])


def _trim(cells: Mask, top: int, left: int) -> tuple[Mask, int, int]:
    """Cells without empty rows and columns around them, and the index of the first cell."""
    rows, cols = (np.flatnonzero(cells.any(axis=axis)) for axis in (1, 0))
    part = cells[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return part, top + int(rows[0]), left + int(cols[0])


def _area(rectangles: Sequence[Rectangle]) -> int:
    return sum(one.area for one in rectangles)


def _cells(wanted: Mask, cell: int) -> Mask:
    """The cells that contain a selected pixel."""
    height, width = wanted.shape
    padded = np.pad(wanted, ((0, -height % cell), (0, -width % cell)))
    rows, cols = padded.shape
    blocks = padded.reshape(rows // cell, cell, cols // cell, cell)
    return np.asarray(blocks.any(axis=(1, 3)))
