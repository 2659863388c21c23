"""Where a view lies in an earlier picture of it: shifted, turned or zoomed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Gradient above which an edge counts no more, grey levels: else one lamp outweighs the view.
_STRONGEST = 150.0
# The fit ends after so many steps, or when a step gains less than this.
_STEPS, _GAIN = 30, 1e-3
# Blur of the edges, pixels, and size of the fit's own smoothing: both widen the reach.
_BLUR_PX, _SMOOTHING_PX = 1.0, 5


def gradient(
    picture: NDArray[np.uint8] | NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sobel gradient of a grey picture, across and down, each of the picture's shape."""
    across, down = (cv2.Sobel(picture, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def aligned(picture: NDArray[np.uint8], reference: NDArray[np.float32]) -> NDArray[np.uint8] | None:
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
