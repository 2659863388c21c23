"""Fits a smooth field of shifts to scattered measurements with outliers.

The splines are fitted by least squares with a penalty on their bending (P-splines: Eilers and Marx
1996, Statistical Science 11), so that the affine map remains where there are few measurements.
Their stiffness is chosen by cross-validation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.sparse import coo_array, csr_array, eye_array, kron
from scipy.spatial import cKDTree

from satellite.registration.shift import Array, ShiftField, design, lattice_shape, linear_terms

# Penalty that pulls each node to the affine map: holds nodes without measurements, hardly affects
# others.
_PULL = 0.003
# Penalty on the affine map's slopes, relative to the weight of all measurements: matters only where
# the measurements are collinear.
_SLOPE_PULL = 1e-4
# Iterations of reweighting; the weights converge within three or four.
_REWEIGHTS = 4
# Tukey's biweight: residuals beyond this many standard deviations have no weight. 4.685 would be 95
# % efficient for normal errors; shifts of neighbouring chips are less well behaved.
_BIWEIGHT = 4.0
# Lower bound of the residuals' standard deviation per axis, pixels: smaller ones are accepted as
# they are.
_MEASURED_TO_PX = 0.1
# Median length of a two-dimensional normal error, in standard deviations per axis.
_RAYLEIGH_MEDIAN = 1.1774
# Candidate models from the stiffest on: terms of the affine map (one: the same shift everywhere)
# and weight of the penalty on the splines' bending (infinite: no splines).
_FREEDOMS = ((1, inf), (3, inf), (3, 1.0), (3, 0.1), (3, 0.01), (3, 0.001))
# Least improvement of the cross-validation error by a freer model: share, and pixels.
_WORTHWHILE = 0.1
_WORTHWHILE_PX = 0.01
# Number of folds, in blocks interleaved over the scene, and side of a block: overlapping chips
# share their errors, so they belong to one fold.
_FOLDS = 5
_BLOCK_PX = 96.0
# Median test: number of neighbours, largest deviation from their median in units of their own
# median deviation, and a deviation in pixels that is always allowed.
_NEIGHBOURS = 8
_UNLIKE = 3.0
_ALLOWED_PX = 0.3
# Largest coefficients in units of the deviations from the affine map to which they are fitted.
_OVERSHOOT = 1.5


def fit_field(
    points: Array, shifts: Array, size: tuple[int, int], step_px: float
) -> tuple[ShiftField, NDArray[np.bool_]]:
    """Fits a field, as free as cross-validation allows, to measurements with outliers.

    Args:
        points: (n, 2) places of measurement, x and y in pixels of the grid; n at least 1.
        shifts: (n, 2) measured shifts, pixels.
        size: Width and height of the grid.
        step_px: Distance of the lattice's nodes, pixels.

    Returns:
        The field, and the mask (n,) of measurements that were used.
    """
    trusted = median_test(points, shifts)
    freedom, missed = _choose_freedom(points[trusted], shifts[trusted], size, step_px)
    field = fit_with_freedom(points[trusted], shifts[trusted], size, step_px, *freedom)
    residual = missed / _RAYLEIGH_MEDIAN * float(np.sqrt(2))
    return replace(field, residual_px=round(residual, 3), chips=int(trusted.sum())), trusted


def median_test(points: Array, shifts: Array) -> NDArray[np.bool_]:
    """Which (n,) of the shifts (n, 2) at points (n, 2) agree with their neighbours.

    The normalised median test of particle image velocimetry: Westerweel and Scarano 2005,
    Experiments in Fluids 39.
    """
    if len(points) <= _NEIGHBOURS:
        return np.ones(len(points), bool)
    nearest = cKDTree(points).query(points, _NEIGHBOURS + 1)[1][:, 1:]
    around = shifts[nearest]
    middle = np.median(around, axis=1)
    usual = np.median(np.hypot(*np.moveaxis(around - middle[:, None], 2, 0)), axis=1)
    off = np.hypot(*(shifts - middle).T)
    return np.asarray(off < _UNLIKE * (usual + _ALLOWED_PX))


def fit_with_freedom(
    points: Array,
    shifts: Array,
    size: tuple[int, int],
    step_px: float,
    terms: int = 3,
    stiffness: float = inf,
) -> ShiftField:
    """Fits a field of a given freedom by iteratively reweighted least squares.

    Args:
        points: (n, 2) places of measurement, x and y in pixels of the grid; n at least 1.
        shifts: (n, 2) measured shifts, pixels.
        size: Width and height of the grid.
        step_px: Distance of the lattice's nodes, pixels.
        terms: Terms of the affine map: 1 for one shift everywhere, 3 for a full affine map.
        stiffness: Weight of the penalty on bending; infinite: no splines.
    """
    linear = linear_terms(points, *size)[:, :terms]
    shape = lattice_shape(*size, step_px)
    splines = design(points, *size, step_px)
    penalty = _penalty(stiffness, *shape) if np.isfinite(stiffness) else None
    bent = np.zeros((2, splines.shape[1]))
    weights = np.ones(len(points))
    for _ in range(_REWEIGHTS):
        affine = _affine(linear, shifts, weights)
        left = shifts - linear @ affine.T
        if penalty is not None:
            # A spline is bounded by its coefficients: none may lead far beyond the measurements.
            most = _OVERSHOOT * np.quantile(np.abs(left), 0.95, axis=0)[:, None]
            bent = np.clip(_bend(splines, left, weights, penalty), -most, most)
        misses = np.hypot(*(left - splines @ bent.T).T)
        sigma = max(_MEASURED_TO_PX, float(np.median(misses)) / _RAYLEIGH_MEDIAN)
        weights = _biweight(misses / sigma)
    full = np.zeros((2, 3))
    full[:, :terms] = affine
    return ShiftField(*size, full, step_px, bent.reshape(2, *shape))


def _choose_freedom(
    points: Array, shifts: Array, size: tuple[int, int], step_px: float
) -> tuple[tuple[int, float], float]:
    """The stiffest model with nearly the least cross-validation error, and that median error."""
    best, least = _FREEDOMS[0], inf
    for freedom in _FREEDOMS:
        missed = float(np.median(_cross_validation_errors(points, shifts, size, step_px, freedom)))
        if least - missed > max(_WORTHWHILE * missed, _WORTHWHILE_PX):
            best, least = freedom, missed
    return best, least


def _cross_validation_errors(
    points: Array,
    shifts: Array,
    size: tuple[int, int],
    step_px: float,
    freedom: tuple[int, float],
) -> Array:
    """Distance of each measurement from a field fitted without its fold, pixels."""
    blocks = np.floor(points / _BLOCK_PX).astype(np.int64)
    folds = (blocks[:, 0] + 2 * blocks[:, 1]) % _FOLDS
    misses = np.empty(len(points))
    for fold in np.unique(folds):
        out = folds == fold
        kept = ~out if not out.all() else out
        field = fit_with_freedom(points[kept], shifts[kept], size, step_px, *freedom)
        misses[out] = np.hypot(*(shifts[out] - field.at_points(points[out])).T)
    return misses


def _affine(linear: Array, shifts: Array, weights: Array) -> Array:
    """(2, terms): the weighted affine map; slopes that the points do not determine are 0."""
    scale = np.abs(linear).max(axis=0)
    scale[scale == 0] = 1.0
    weighted = linear / scale * weights[:, None]
    normal = weighted.T @ (linear / scale)
    normal[1:, 1:] += _SLOPE_PULL * weights.sum() * np.eye(linear.shape[1] - 1)
    return np.asarray((np.linalg.solve(normal, weighted.T @ shifts) / scale[:, None]).T)


def _bend(splines: csr_array, residuals: Array, weights: Array, penalty: csr_array) -> Array:
    """(2, nodes): coefficients of the splines, by Cholesky's method on a banded system."""
    weighted = splines * weights[:, None]
    normal = coo_array(splines.T @ weighted + penalty)
    down = normal.row - normal.col
    banded = np.zeros((int(down.max()) + 1, normal.shape[0]))
    lower = down >= 0
    banded[down[lower], normal.col[lower]] = normal.data[lower]
    return np.asarray(solveh_banded(banded, weighted.T @ residuals, lower=True).T)


def _biweight(distances: Array) -> Array:
    inside = np.clip(1 - (distances / _BIWEIGHT) ** 2, 0, None)
    return np.asarray(inside**2 + 1e-9)  # never all zero


def _penalty(stiffness: float, rows: int, cols: int) -> csr_array:
    """(nodes, nodes): the penalty on bending, and a weak pull to 0."""
    return csr_array(stiffness * _bending(rows, cols) + _PULL * eye_array(rows * cols))


@lru_cache(maxsize=2)
def _bending(rows: int, cols: int) -> csr_array:
    """(nodes, nodes): bending energy of a thin plate, of a lattice's coefficients."""
    down1, down2, across1, across2 = (
        csr_array(np.diff(np.eye(count), order, axis=0))
        for count in (rows, cols)
        for order in (1, 2)
    )
    return csr_array(
        kron(down2.T @ down2, eye_array(cols))
        + kron(eye_array(rows), across2.T @ across2)
        + 2 * kron(down1.T @ down1, across1.T @ across1)
    )
