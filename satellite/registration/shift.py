"""A smooth field of sub-pixel shifts: an affine map plus cubic B-splines on a coarse lattice.

The form is that of free-form deformation: Rueckert et al. 1999, IEEE Trans. Medical Imaging 18.
The fit to measurements is in :mod:`satellite.registration.shift_fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.sparse import csr_array

from satellite.errors import SatelliteError

Array = NDArray[np.float64]

# Distance of the exact positions between which others are interpolated, pixels. Over 8 pixels a
# warp of 1 pixel within a period of 200 bends by 0.008 pixels.
_STRIDE = 8
# Positions per side at which the largest shift of a field is evaluated.
_SAMPLES = 65


@dataclass(frozen=True, eq=False)
class ShiftField:
    """The shift of the later image against the earlier one, at each pixel of a grid.

    Attributes:
        width: Pixels of the grid from west to east.
        height: Pixels of the grid from north to south.
        affine: (2, 3) coefficients of 1, x and y for the shift along x and along y; x and y in
            pixels from the middle of the grid.
        step_px: Distance of the lattice's nodes, pixels.
        lattice: (2, rows, columns) coefficients of the splines, pixels.
        residual_px: Root mean square error of chips held out of the fit, estimated from their
            median error, pixels.
        chips: Number of chips to which the field is fitted.
        offered: Number of chips with texture.
    """

    width: int
    height: int
    affine: Array
    step_px: float
    lattice: Array
    residual_px: float = 0.0
    chips: int = 0
    offered: int = 0

    @classmethod
    def constant(cls, width: int, height: int, dx: float, dy: float) -> ShiftField:
        """A field with the same shift everywhere, pixels."""
        step = float(max(width, height, 1))
        affine = np.array([[dx, 0.0, 0.0], [dy, 0.0, 0.0]])
        return cls(width, height, affine, step, np.zeros((2, 4, 4)))

    def at(self, window: Window) -> NDArray[np.float32]:
        """Shifts at the pixels of a window.

        Args:
            window: Pixels of the grid; may reach beyond it, where the splines are constant.

        Returns:
            float32 ``(2, height, width)``: dx and dy in pixels. The later image shows at
            (x + dx, y + dy) what the earlier one shows at (x, y).
        """
        xs = np.arange(window.width) + window.col_off + 0.5
        ys = np.arange(window.height) + window.row_off + 0.5
        return self._on(xs, ys)

    def read_positions(
        self, window: Window, of: Window
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Positions at which the later image is read for a window, for OpenCV's ``remap``.

        Args:
            window: Pixels of the grid.
            of: The part of the later image that is loaded.

        Returns:
            x and y of pixel centres, float32 ``(height, width)``, relative to the centre of the
            first pixel of ``of``. Positions are interpolated between every eighth pixel, with an
            error below a hundredth of a pixel.
        """
        rows, cols = (ceil(length / _STRIDE) + 2 for length in (window.height, window.width))
        xs = _STRIDE * (np.arange(cols) - 0.5)
        ys = _STRIDE * (np.arange(rows) - 0.5)
        coarse = self._on(window.col_off + xs, window.row_off + ys)
        coarse[0] += (xs - 0.5 + window.col_off - of.col_off).astype(np.float32)
        coarse[1] += (ys - 0.5 + window.row_off - of.row_off).astype(np.float32)[:, None]
        size = (_STRIDE * cols, _STRIDE * rows)
        inner = np.s_[_STRIDE : _STRIDE + window.height, _STRIDE : _STRIDE + window.width]
        x, y = (np.asarray(cv2.resize(part, size), np.float32)[inner] for part in coarse)
        return x, y

    def range_in(self, window: Window) -> tuple[Array, Array]:
        """Least and largest shift, each (2,) for x and y, on a lattice of a window's pixels."""
        per_side = max(2, min(_SAMPLES, ceil(max(window.width, window.height) / 16)))
        xs = np.linspace(window.col_off, window.col_off + window.width, per_side)
        ys = np.linspace(window.row_off, window.row_off + window.height, per_side)
        shifts = self._on(xs, ys).reshape(2, -1).astype(np.float64)
        return shifts.min(axis=1), shifts.max(axis=1)

    def at_points(self, points: Array) -> Array:
        """Shifts (n, 2) at points (n, 2), x and y in pixels of the grid."""
        size = (self.width, self.height)
        bent = design(points, *size, self.step_px) @ self.lattice.reshape(2, -1).T
        return np.asarray(linear_terms(points, *size) @ self.affine.T + bent)

    @cached_property
    def largest_px(self) -> float:
        """Length of the largest shift within the grid, pixels."""
        xs = np.linspace(0, self.width, _SAMPLES)
        ys = np.linspace(0, self.height, _SAMPLES)
        dx, dy = self._on(xs, ys)
        return float(np.hypot(dx, dy).max())

    def to_dict(self) -> dict[str, Any]:
        """The field as JSON types; the inverse of :meth:`from_dict`."""
        return {
            "width": self.width,
            "height": self.height,
            "affine": self.affine.tolist(),
            "step_px": self.step_px,
            "lattice": self.lattice.tolist(),
            "residual_px": self.residual_px,
            "chips": self.chips,
            "offered": self.offered,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ShiftField:
        """The field that :meth:`to_dict` stored.

        Raises:
            SatelliteError: The stored values are not in the form of :meth:`to_dict`.
        """
        try:
            values = dict(stored)
            affine = np.asarray(values.pop("affine"), np.float64)
            lattice = np.asarray(values.pop("lattice"), np.float64)
            field = cls(affine=affine, lattice=lattice, **values)
            expected = lattice_shape(field.width, field.height, field.step_px)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise SatelliteError(f"a stored shift field cannot be read: {error}") from error
        if field.affine.shape != (2, 3) or field.lattice.shape != (2, *expected):
            raise SatelliteError("a stored shift field does not fit its grid: estimate it again")
        return field

    def _on(self, xs: Array, ys: Array) -> NDArray[np.float32]:
        """Shifts (2, len(ys), len(xs)) on a lattice of positions."""
        across, left = _near(xs, self.width, self.step_px)
        down, top = _near(ys, self.height, self.step_px)
        nodes = self.lattice[:, top : top + down.shape[1], left : left + across.shape[1]].astype(
            np.float32
        )
        shifts = np.asarray(down @ nodes @ across.T, np.float32)
        by_x = self.affine[:, 1, None] * (xs - self.width / 2)
        by_y = self.affine[:, 2, None] * (ys - self.height / 2) + self.affine[:, :1]
        shifts += by_x[:, None, :].astype(np.float32)
        shifts += by_y[:, :, None].astype(np.float32)
        return shifts


def lattice_shape(width: int, height: int, step_px: float) -> tuple[int, int]:
    """Rows and columns of the lattice of splines over a grid."""
    return ceil(height / step_px) + 3, ceil(width / step_px) + 3


def linear_terms(points: Array, width: int, height: int) -> Array:
    """(n, 3): the terms 1, x, y of an affine map at points (n, 2), from the grid's middle."""
    x, y = points[:, 0] - width / 2, points[:, 1] - height / 2
    return np.column_stack([np.ones(len(points)), x, y])


def design(points: Array, width: int, height: int, step_px: float) -> csr_array:
    """(n, nodes): contribution of each node of the lattice at each of the points (n, 2)."""
    col, across = _splines(points[:, 0], width, step_px)
    row, down = _splines(points[:, 1], height, step_px)
    rows, cols = lattice_shape(width, height, step_px)
    near = np.arange(4)
    nodes = (row[:, None, None] + near[:, None]) * cols + col[:, None, None] + near
    values = down[:, :, None] * across[:, None, :]
    starts = np.arange(0, 16 * len(points) + 1, 16)
    return csr_array((values.ravel(), nodes.ravel(), starts), shape=(len(points), rows * cols))


def _splines(positions: Array, length: int, step_px: float) -> tuple[NDArray[np.int64], Array]:
    """First of the four nodes (n,) that contribute at positions on an axis; their weights (n, 4).

    Positions beyond the grid are clipped to its edge.
    """
    cells = ceil(length / step_px)
    along = np.clip(positions, 0, length) / step_px
    cell = np.minimum(along.astype(np.int64), cells - 1)
    t = along - cell
    weights = np.column_stack(
        [
            (1 - t) ** 3,
            3 * t**3 - 6 * t**2 + 4,
            -3 * t**3 + 3 * t**2 + 3 * t + 1,
            t**3,
        ]
    )
    return cell, weights / 6


def _near(positions: Array, length: int, step_px: float) -> tuple[NDArray[np.float32], int]:
    """Spline weights (n, nodes) at positions on an axis, for contributing nodes; the first node."""
    cell, weights = _splines(positions, length, step_px)
    first = int(cell.min())
    basis = np.zeros((len(positions), int(cell.max()) - first + 4), np.float32)
    np.put_along_axis(basis, (cell - first)[:, None] + np.arange(4), weights, axis=1)
    return basis, first
