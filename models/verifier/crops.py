"""What is cut out around a region, and which cells of it the region covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Side of the square that is shown to the backbone, pixels.
SIDE_PX = 96
# The square is so many times the region's longer side, so that the surroundings fill as much as
# the region; and at least so large, since enlarging a few pixels further shows nothing more.
_AROUND = 2.0
_LEAST_PX = 16


class Region(Protocol):
    """A connected area of a picture."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(x1, y1, x2, y2)`` in pixels of the picture."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The area's pixels within ``box``, shape (y2 - y1, x2 - x1)."""


@dataclass(frozen=True, slots=True)
class Square:
    """A square of a picture, which may reach beyond the picture's edges.

    Attributes:
        left: First column, pixels of the picture; may be negative.
        top: First row.
        side: Number of rows and columns.
    """

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, region: Region) -> Square:
        """The square around a region."""
        x1, y1, x2, y2 = region.box
        side = max(_LEAST_PX, round(_AROUND * max(x2 - x1, y2 - y1)))
        return cls((x1 + x2 - side) // 2, (y1 + y2 - side) // 2, side)

    def cut(self, picture: Floats) -> Floats:
        """The square of a picture (h, w), scaled to ``SIDE_PX``.

        Beyond the picture's edge its outermost pixels are repeated.
        """
        above, before = max(0, -self.top), max(0, -self.left)
        part = picture[
            self.top + above : self.top + self.side, self.left + before : self.left + self.side
        ]
        below, after = self.side - above - part.shape[0], self.side - before - part.shape[1]
        whole = cv2.copyMakeBorder(part, above, below, before, after, cv2.BORDER_REPLICATE)
        return _scaled(np.asarray(whole, np.float32), SIDE_PX)

    def coverage(self, region: Region, shape: tuple[int, ...], cells: int) -> tuple[Floats, Floats]:
        """How much of each cell of a grid the region covers, and how much its surroundings do.

        Args:
            region: The region.
            shape: Rows and columns of the picture.
            cells: Rows and columns of the grid.

        Returns:
            Two arrays (cells, cells), 0 to 1. Neither covers what lies beyond the picture.
        """
        inside = np.zeros((self.side, self.side), np.float32)
        x1, y1, x2, y2 = region.box
        inside[y1 - self.top : y2 - self.top, x1 - self.left : x2 - self.left] = region.mask
        around = np.zeros_like(inside)
        rows = slice(max(0, -self.top), max(0, shape[0] - self.top))
        columns = slice(max(0, -self.left), max(0, shape[1] - self.left))
        around[rows, columns] = 1.0
        return _scaled(inside, cells), _scaled(around * (1.0 - inside), cells)


def cut_all(picture: Floats, squares: Sequence[Square]) -> Floats:
    """The squares of a picture, ``(n, SIDE_PX, SIDE_PX)``."""
    if not squares:
        return np.zeros((0, SIDE_PX, SIDE_PX), np.float32)
    return np.stack([square.cut(picture) for square in squares])


def _scaled(values: Floats, side: int) -> Floats:
    """Values (h, w) on a grid of another size: means where smaller, between them where larger."""
    smaller = values.shape[0] > side
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (side, side), interpolation=how), np.float32)
