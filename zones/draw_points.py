"""Draw ground control points on a frame, with their numbers and how far off each is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from zones.camera import PointError
from zones.draw import Image, Label, text_size_px, write_labels

# Blue, green, red: what was given, and where the fit puts the same place on the map.
_GIVEN, _FITTED = (255, 255, 255), (60, 60, 255)
_EDGE = (0, 0, 0)
_ARM_PART = 1 / 80  # half a cross as part of the frame's shorter side
_LEAST_ARM_PX = 6
_LABEL_SIZES = 1.2  # from a cross to the middle of its label, in heights of letters


def draw_points(image: Image, points: Sequence[PointError]) -> Image:
    """A copy of the frame with each point as a cross, joined to where the fit puts its place.

    The label has the point's number and the distance on the ground between the two; behind it, with
    five points and more, the distance by the fit of the other points.

    Args:
        image: (H, W, 3) uint8, blue-green-red.
        points: The points; those outside the frame are left out.

    Returns:
        (H, W, 3) uint8; the given image is not changed.
    """
    result = image.copy()
    height, width = image.shape[:2]
    arm = max(_LEAST_ARM_PX, round(min(height, width) * _ARM_PART))
    shown = [point for point in points if 0 <= point.x <= width and 0 <= point.y <= height]
    for point in shown:
        x, y = round(point.x), round(point.y)
        fitted = (round(point.fitted_x), round(point.fitted_y))
        for colour, thickness in ((_EDGE, 4), (_FITTED, 2)):
            cv2.line(result, (x, y), fitted, colour, thickness, cv2.LINE_AA)
            cv2.circle(result, fitted, arm // 2, colour, thickness, cv2.LINE_AA)
        for colour, thickness in ((_EDGE, 4), (_GIVEN, 2)):
            cv2.drawMarker(result, (x, y), colour, cv2.MARKER_CROSS, 2 * arm, thickness)
    above = arm + _LABEL_SIZES * text_size_px(image)
    labels = [Label(point_text(point), (point.x, point.y - above), _FITTED) for point in shown]
    return write_labels(np.asarray(result, dtype=np.uint8), labels)


def point_text(point: PointError) -> str:
    """A point's number and its errors, such as ``"3: 0.4 m, by the others 0.9 m"``."""
    text = f"{point.number}: {point.residual_m:.1f} m"
    return text if point.left_out_m is None else f"{text}, by the others {point.left_out_m:.1f} m"
