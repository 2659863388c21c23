"""Where a view lies in an earlier picture of it: shifted, turned or zoomed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.median import median
from cv_engine.scene.pose import Pose
from cv_engine.scene.pyramid import Pyramid

# Gradient above which an edge counts no more, grey levels: else one lamp outweighs the view.
_STRONGEST = 150.0
# The fit ends after so many steps, or when a step gains less than this.
_STEPS, _GAIN = 30, 1e-3
# Displacement of a corner from which the camera has moved, pixels of the picture: the background
# model takes less for shake.
_MOVED_PX = 0.3
# Farthest displacement of a corner, share of the width: beyond, the camera shows another view.
_FARTHEST = 0.15
# Steps of the fit, coarse and fine, and the displacement of a corner at which it ends, pixels.
_COARSE_STEPS, _FINE_STEPS, _ENDS_PX = 12, 12, 0.02
# Gradient from which a point belongs to an edge, grey levels.
_EDGE_LEVELS = 60.0
# Difference within which a point of an edge is found again: part of the spread of the edges' grey
# levels, and the least and the largest, grey levels.
_FOUND_SPREAD, _FOUND_LEAST, _FOUND_MOST = 0.5, 8.0, 20.0
# Fits of gain and offset of the light, each with weights from the one before.
_LIGHT_FITS = 3
# Part of the edges that must be found again: of another view, less is found by chance.
_ENOUGH = 0.5
# Points of edges that are fitted at most, fine and coarse, and below which nothing can be said.
_MOST_POINTS, _COARSE_POINTS, _LEAST_POINTS = 5000, 1500, 200
# Part of the edges by which more must be found again in a new place than in the old one.
_BETTER = 0.02
# Added to the diagonal of the equations.
_TINY = 1e-3
# Blur of the edges, pixels, and size of the fit's own smoothing: both widen the reach.
_BLUR_PX, _SMOOTHING_PX = 1.0, 5


def gradient(
    picture: NDArray[np.uint8] | NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sobel gradient of a grey picture, across and down, each of the picture's shape."""
    across, down = (cv2.Sobel(picture, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def aligned(picture: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """A picture as the reference's camera would have shown it, as far as both show the same.

    The shift is found by phase correlation, then refined to an affine map that maximises the
    correlation of the edges (Evangelidis and Psarakis, Parametric Image Alignment Using Enhanced
    Correlation Coefficient Maximization, 2008).

    Args:
        picture: Grey, shape (h, w).
        reference: Grey, of the same shape.

    Returns:
        Shape (h, w); ``None`` where no map is found.
    """
    known, now = _edges(reference), _edges(picture)
    size = (known.shape[1], known.shape[0])
    (across, down), _ = cv2.phaseCorrelate(known, now, cv2.createHanningWindow(size, cv2.CV_32F))
    fits = [_fit(known, now, shift) for shift in ((across, down), (0.0, 0.0))]
    likeness, matrix = max(fits, key=lambda fit: fit[0])
    if likeness <= 0.0:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _fit(
    known: NDArray[np.float32], now: NDArray[np.float32], shift: tuple[float, float]
) -> tuple[float, NDArray[np.float32]]:
    """The correlation and the affine map found from a shift; 0 where the fit fails."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, _GAIN)
    unmasked = np.full(known.shape, 255, np.uint8)
    try:
        likeness, found = cv2.findTransformECC(
            known, now, matrix, cv2.MOTION_AFFINE, criteria, unmasked, _SMOOTHING_PX
        )
    except cv2.error:  # the pictures have nothing in common, or no edges
        return 0.0, matrix
    return float(likeness), np.asarray(found, np.float32)


def _edges(picture: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Strength of the edges, a little blurred, shape (h, w)."""
    strength = np.minimum(cv2.magnitude(*gradient(picture)), _STRONGEST)
    return np.asarray(cv2.GaussianBlur(strength, (0, 0), _BLUR_PX), np.float32)


def follow(now: Pyramid, known: Pyramid, last: Pose) -> Pose:
    """Where the view lies in the next picture.

    Iterated least squares on the difference of the pictures, the inverse compositional algorithm
    of Baker and Matthews (Lucas-Kanade 20 Years On, 2004), with weights that leave out what is no
    part of the view. The coarse pictures show whether the camera has moved at all.

    Args:
        now: The next picture.
        known: The empty view, of the same size.
        last: Where the view lay in the picture before.

    Returns:
        The place, or the last one where the camera has not moved, or nothing better is found.
    """
    height, width = known.fine.shape
    factor = known.coarse.shape[1] / width
    fit = _Fit(known.coarse, _COARSE_POINTS)
    coarse = fit.place(now.coarse, last.scaled(factor), _COARSE_STEPS, _MOVED_PX * factor)
    found = coarse.scaled(1 / factor)
    if found.after(last.inverse()).displacement((width, height)) < _MOVED_PX:
        return last
    if found.displacement((width, height)) > _FARTHEST * width:
        return last
    fit, picture = _Fit(known.fine, _MOST_POINTS), np.asarray(now.fine, np.uint8)
    found = fit.place(picture, found, _FINE_STEPS, 0.0)
    again = fit.found_again(picture, found)
    better = again > fit.found_again(picture, last) + _BETTER
    return found if better and again > _ENOUGH else last


class _Fit:
    """Fits the place of one view in pictures of it, by the points of the view's edges.

    Args:
        reference: The view, grey, shape (h, w).
        most: Number of points at most.
    """

    def __init__(self, reference: NDArray[np.uint8] | NDArray[np.float32], most: int) -> None:
        self._reference = reference
        across, down = gradient(reference)
        strong = np.flatnonzero(across * across + down * down > _EDGE_LEVELS * _EDGE_LEVELS)
        self._points = strong[:: 1 + len(strong) // most]
        self._known = reference.ravel()[self._points].astype(np.float32)
        y, x = np.divmod(self._points.astype(np.float32), np.float32(reference.shape[1]))
        gx, gy = (each.ravel()[self._points] / 8 for each in (across, down))  # of Sobel's weights
        # How the difference changes with zoom, turn, shift across and down, gain and offset.
        self._slopes = np.stack(
            [x * gx + y * gy, x * gy - y * gx, gx, gy, self._known, np.ones_like(gx)], axis=1
        )

    def place(self, picture: NDArray[np.uint8], start: Pose, steps: int, least_px: float) -> Pose:
        """The place from which steps lead no further; the start where the first is below a limit.

        Args:
            picture: Grey, of the view's shape.
            start: Where to start.
            steps: At most so many.
            least_px: Displacement of a corner by the first step below which nothing has moved.
        """
        if len(self._points) < _LEAST_POINTS:
            return start
        size = (picture.shape[1], picture.shape[0])
        pose = start
        for number in range(steps):
            step = self._step(self._difference(picture, pose))
            moved_px = step.displacement(size)
            if number == 0 and moved_px < least_px:
                return start
            pose = pose.after(step.inverse())
            if moved_px < _ENDS_PX:
                break
        return pose

    def found_again(self, picture: NDArray[np.uint8], pose: Pose) -> float:
        """Share of the view's edges that a picture shows where they should be, 0 to 1.

        The light may have changed: its gain and offset are fitted and left out.
        """
        if not len(self._points):
            return 0.0
        off, light = self._difference(picture, pose), self._slopes[:, 4:]
        for _ in range(_LIGHT_FITS):
            off -= light @ _explanation(light, off)
        levels = min(_FOUND_MOST, max(_FOUND_LEAST, _FOUND_SPREAD * float(self._known.std())))
        return np.count_nonzero(np.abs(off) < levels) / off.size

    def _difference(self, picture: NDArray[np.uint8], pose: Pose) -> NDArray[np.float32]:
        """By how much the picture at each point is brighter than the view."""
        moved = pose.unwarped(picture, self._reference)
        return moved.ravel()[self._points] - self._known

    def _step(self, off: NDArray[np.float32]) -> Pose:
        """The map that explains a difference best; light may have another gain and offset."""
        zoom, turn, dx, dy, _, _ = _explanation(self._slopes, off).tolist()
        return Pose(1.0 + zoom, turn, dx, dy)


def _explanation(columns: NDArray[np.float32], off: NDArray[np.float32]) -> NDArray[np.float32]:
    """Factors of columns (n, k) that explain a difference (n,) best, shape (k,).

    What differs far more than most is no part of the view and weighs little.
    """
    spread = np.float32(1.0 + 1.5 * median(np.abs(off)))
    weighted = columns / np.square(1 + np.square(off / spread))[:, None]
    square = weighted.T @ columns
    square.ravel()[:: len(square) + 1] += _TINY  # a view of one direction only has a solution, too
    _, factors = cv2.solve(square, (weighted.T @ off)[:, None])  # in a fifth of the time of NumPy's
    return np.asarray(factors, np.float32).ravel()
