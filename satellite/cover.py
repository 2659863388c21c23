"""Cover the wanted parts of a window with squares of a few sizes that have little area together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# Cells along the smallest square: the cover is found on a grid as fine as this, not pixel by pixel.
_CELLS = 16
# Share of the area of larger squares that smaller ones may have in their place: for less gain they are not
# worth that they see less around, and are more.
_WORTH = 0.75


@dataclass(frozen=True, slots=True)
class Square:
    """A square of a window, pixels."""

    top: int
    left: int
    side: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


def cover(wanted: Mask, sides: Sequence[int], edge: int) -> list[Square]:
    """Place squares so that each wanted pixel lies well within one.

    Squares of one size are laid greedily, in strips from the top, each slid down and centred onto what it
    is there for, so that lone spots see as much around them as there is; then the same from the left, and
    whichever takes fewer is kept. (Strips: Hochbaum and Maass, Approximation Schemes for Covering and
    Packing Problems, 1985.) What each of them covers is then covered by smaller ones where these have much
    less area. That is begun with each size, from the largest.

    Args:
        wanted: ``(height, width)``, both at least as long as the smallest square.
        sides: Of the squares, pixels, from the smallest; those that are larger than the window are not
            used.
        edge: Each wanted pixel is at least so far from the border of one of its squares, pixels, unless
            the window itself ends there.

    Returns:
        The squares; all lie within the window.
    """
    cell = max(1, sides[0] // _CELLS)
    plan = _Plan(wanted.shape[0], wanted.shape[1], cell, edge)
    return plan.cheapest(
        _cells(wanted, cell), [side for side in sides if side <= min(wanted.shape)]
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """How squares may be laid into a window; lengths are in pixels."""

    height: int
    width: int
    cell: int
    edge: int

    def cheapest(self, cells: Mask, sides: Sequence[int]) -> list[Square]:
        """The squares for the cells that are wanted; no size but the largest is used for little gain."""
        best: list[Square] = []
        for number in reversed(range(len(sides))):
            squares: list[Square] = []
            for square, covered in self._laid(cells, sides[number]):
                smaller = self.cheapest(covered, sides[:number]) if number else [square]
                squares += smaller if _worth(smaller, [square]) else [square]
            if not best or _worth(squares, best):
                best = squares
        return best

    def _laid(self, cells: Mask, side: int) -> list[tuple[Square, Mask]]:
        """Squares of one size, each with the cells that it adds to those before."""
        down = list(self._strips(cells, side))
        turned = _Plan(self.width, self.height, self.cell, self.edge)
        across = list(turned._strips(cells.T, side))
        if len(down) <= len(across):
            return down
        return [(Square(one.left, one.top, side), covered.T) for one, covered in across]

    def _strips(self, cells: Mask, side: int) -> Iterator[tuple[Square, Mask]]:
        reach = max(
            1, (side - 2 * self.edge) // self.cell
        )  # cells along the inner part of a square
        left = cells.copy()
        while left.any():
            row = int(left.any(axis=1).argmax())
            while (strip := left[row : row + reach]).any():
                col = int(strip.any(axis=0).argmax())
                top = row + int(strip[:, col : col + reach].any(axis=1).argmax())
                part = np.s_[top : top + reach, col : col + reach]
                rows, cols = np.nonzero(left[part])
                square = Square(
                    self._centred(top + rows, side, self.height),
                    self._centred(col + cols, side, self.width),
                    side,
                )
                before = left.copy()
                left[part] = False
                left[self._inner(square)] = False
                yield square, before & ~left

    def _centred(self, cells: NDArray[np.intp], side: int, length: int) -> int:
        """Where a square begins whose middle is that of some cells, moved into the window."""
        middle = (int(cells.min()) + int(cells.max()) + 1) * self.cell / 2
        return min(max(0, int(middle - side / 2)), length - side)

    def _inner(self, square: Square) -> tuple[slice, slice]:
        """Whole cells that lie within a square, away from its border unless that is the window's."""
        rows, cols = (
            self._along(at, square.side, length)
            for at, length in ((square.top, self.height), (square.left, self.width))
        )
        return rows, cols

    def _along(self, at: int, side: int, length: int) -> slice:
        begin = at + self.edge if at > 0 else 0
        end = at + side - self.edge if at + side < length else length + self.cell
        return slice(-(-begin // self.cell), max(0, end // self.cell))


def _worth(smaller: Sequence[Square], larger: Sequence[Square]) -> bool:
    """Whether squares have so much less area than larger ones that they are laid in their place."""
    return _area(smaller) <= _WORTH * _area(larger)


def _area(squares: Sequence[Square]) -> int:
    return sum(square.side**2 for square in squares)


def _cells(wanted: Mask, cell: int) -> Mask:
    """Which cells hold a wanted pixel."""
    height, width = wanted.shape
    padded = np.pad(wanted, ((0, -height % cell), (0, -width % cell)))
    rows, cols = padded.shape
    blocks = padded.reshape(rows // cell, cell, cols // cell, cell)
    return np.asarray(blocks.any(axis=(1, 3)))
