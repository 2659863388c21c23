"""Cover the wanted parts of a window with rectangles of a few side lengths that have little area together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Mask

_Numbers = NDArray[np.intp]

# Cells along the shortest side: the cover is found on a grid as fine as this, not pixel by pixel.
_CELLS = 8
# Share of a rectangle's area that those may have which take its place: for less gain they are not worth that
# they see less around, and are more.
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
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def area(self) -> int:
        """Its pixels."""
        return self.height * self.width


def cover(wanted: Mask, sides: Sequence[int], edge: int) -> list[Rectangle]:
    """Place rectangles so that each wanted pixel lies well within one.

    What is wanted is cut in two, straight across, where its parts then take the least area, and each part
    again, for as long as that saves enough: a tree of guillotine cuts, greedily. A part that is shorter than
    a rectangle lies in its middle, so that a lone spot sees as much around it as there is; a longer one takes
    several.

    Args:
        wanted: ``(height, width)``, both at least as long as the shortest side.
        sides: Lengths that the rectangles' heights and widths may have, pixels, from the shortest; those
            that are longer than the window are not used.
        edge: Each wanted pixel is at least so far from the border of one of its rectangles, pixels, unless
            the window itself ends there.

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
    """How what is wanted may be covered along one of the window's axes.

    Attributes:
        length: Of the window, pixels.
        cell: Side of a cell, pixels.
        sides: That may be used, pixels, from the shortest.
        edge: What has to be around what is wanted, pixels.
        total: ``(n + 1, n + 1)``: pixels that are laid out, overlaps twice, for the cells from the first
            index up to the second.
    """

    length: int
    cell: int
    sides: tuple[int, ...]
    edge: int
    total: _Numbers

    @classmethod
    @lru_cache(maxsize=16)  # the windows of a scene are alike
    def of(cls, length: int, cell: int, sides: tuple[int, ...], edge: int) -> _Axis:
        """The axis of a window that is so long."""
        fitting = np.array([side for side in sides if side <= length])
        bounds = np.arange(-(-length // cell) + 1) * cell
        begin, end = np.maximum(bounds - edge, 0), np.minimum(bounds + edge, length)
        span = end[None, :] - begin[:, None]
        count, side = _tile_count(span, fitting, edge)
        return cls(length, cell, tuple(fitting.tolist()), edge, count * side)

    def placements(self, first: int, last: int) -> list[tuple[int, int]]:
        """Where rectangles begin that cover the cells from the first up to the last, and how long each is."""
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
    """How many rectangles in a row cover a span, each pixel well within one, and how long they are."""
    gained = np.maximum(sides - 2 * edge, 1)  # by each but the first
    count = np.maximum(1, -(-(span - 2 * edge) // gained[-1]))
    needed = -(-(span - 2 * edge) // count) + 2 * edge
    return count, sides[np.minimum(np.searchsorted(sides, needed), len(sides) - 1)]


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Cuts what is wanted into parts until its rectangles have little area."""

    rows: _Axis
    cols: _Axis

    def cover(self, cells: Mask, top: int, left: int) -> list[Rectangle]:
        """The rectangles for some cells of the window, the first of which lies at ``top`` and ``left``."""
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
        """The rectangles of the two parts into which cells that fill their bounds are best cut."""
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
    """Where to cut between two rows for the least area.

    Args:
        cells: What is wanted, in the first and last row, too.
        rows: Pixels that are laid out along the first axis, see :class:`_Axis`.
        cols: The same along the second.
        top: Index of the first row in the window.
        left: Index of the first column.

    Returns:
        The area, and the number of rows above the cut; an infinite one for a single row.
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
    """Area of the rectangles for the first one, two, and so on rows, of which ``rows`` tells the heights."""
    some = cells.any(axis=1)
    number = np.arange(len(cells))
    last_row = np.maximum.accumulate(np.where(some, number, 0))
    first = np.where(some, cells.argmax(axis=1), cells.shape[1])
    last = np.where(some, cells.shape[1] - cells[:, ::-1].argmax(axis=1), 0)
    first, last = np.minimum.accumulate(first), np.maximum.accumulate(last)
    return np.asarray(rows[last_row] * cols[left + first, left + last])


def _trim(cells: Mask, top: int, left: int) -> tuple[Mask, int, int]:
    """Cells without the rows and columns around them in which nothing is wanted, and where they begin."""
    rows, cols = (np.flatnonzero(cells.any(axis=axis)) for axis in (1, 0))
    part = cells[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return part, top + int(rows[0]), left + int(cols[0])


def _area(rectangles: Sequence[Rectangle]) -> int:
    return sum(one.area for one in rectangles)


def _cells(wanted: Mask, cell: int) -> Mask:
    """Which cells hold a wanted pixel."""
    height, width = wanted.shape
    padded = np.pad(wanted, ((0, -height % cell), (0, -width % cell)))
    rows, cols = padded.shape
    blocks = padded.reshape(rows // cell, cell, cols // cell, cell)
    return np.asarray(blocks.any(axis=(1, 3)))
