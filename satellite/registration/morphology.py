"""Morphology of binary masks by discs, computed from distances."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]  # 0 or 1


def local_deviation(plane: Plane, length: float) -> Plane:
    """Standard deviation of a plane within squares of side ``length``, pixels."""
    mean = cv2.blur(plane, odd_square(length))
    variance = cv2.blur(plane * plane, odd_square(length)) - mean * mean
    return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float32)


def odd_square(length: float) -> tuple[int, int]:
    """The odd side of a square of about ``length`` pixels, as an OpenCV kernel size."""
    odd = 2 * max(1, round(length / 2)) + 1
    return odd, odd


def holds_disc(mask: Mask, radius: float) -> bool:
    """Whether a mask has at least as many pixels as a disc of the radius."""
    return int(cv2.countNonZero(mask)) >= np.pi * radius**2


def dilated(mask: Mask, radius: float) -> Mask:
    """Dilates a mask by a radius in pixels; the cost does not depend on the radius."""
    if not mask.any():
        return mask
    away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    return np.asarray(away <= radius, np.uint8)


def eroded(mask: Mask, radius: float) -> Mask:
    """Erodes a mask by a radius in pixels."""
    if mask.all() or not mask.any():
        return mask
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3) > radius, np.uint8)


def opened(mask: Mask, radius: float) -> Mask:
    """Opens a mask: removes parts into which no disc of the radius in pixels fits."""
    return dilated(eroded(mask, radius), radius)


def closed(mask: Mask, radius: float) -> Mask:
    """Closes a mask: fills gaps into which no disc of the radius in pixels fits."""
    return 1 - dilated(1 - dilated(mask, radius), radius)


def filled(mask: Mask) -> Mask:
    """Fills all holes of a mask."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(mask.copy(), outlines, -1, [1], cv2.FILLED), np.uint8)


def touching(mask: Mask, seeds: Mask) -> Mask:
    """The blobs of a mask that contain any of the seeds."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    keep = np.zeros(count, bool)
    keep[np.unique(labels[seeds > 0])] = True
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)
