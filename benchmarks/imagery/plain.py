"""A plain baseline of change detection: histogram matching, change vectors, Otsu's threshold."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture, Views

_LEVELS = 256


def plain_change(views: Views) -> NDArray[np.bool_]:
    """Marks the pixels that differ most in colour.

    Args:
        views: Two dates; the later one is matched to the earlier one.

    Returns:
        ``(h, w)``: where the length of the change vector (Malila, 1980) exceeds Otsu's threshold.
    """
    matched = match(views.after, views.before).astype(np.float32)
    length = np.linalg.norm(matched - views.before.astype(np.float32), axis=2)
    scaled = np.rint(length * (255 / max(1e-6, float(length.max())))).astype(np.uint8)
    _, marked = cv2.threshold(scaled, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(marked, np.bool_)


def match(picture: Picture, like: Picture) -> Picture:
    """Gives each band the histogram of the same band of another picture."""
    bands = [_match(picture[..., i], like[..., i]) for i in range(picture.shape[2])]
    return np.dstack(bands)


def _match(band: Picture, like: Picture) -> Picture:
    shares = [
        np.bincount(values.ravel(), minlength=_LEVELS).cumsum() / values.size
        for values in (band, like)
    ]
    levels = np.interp(shares[0], shares[1], np.arange(_LEVELS))
    return np.asarray(np.rint(levels).astype(np.uint8)[band], np.uint8)
