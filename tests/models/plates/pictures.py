"""Pictures of plates for the tests, drawn without fonts of the system."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def checked(width: int, height: int) -> Image:
    """A plate of two lines: the upper one red, the lower one green, with a blue left half."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height * 2 // 5] = (0, 0, 200)
    image[height * 2 // 5 :] = (0, 200, 0)
    image[:, : width // 2, 0] = 150
    return image


def placed(plate: Image, corners: npt.NDArray[np.float32], size: tuple[int, int]) -> Image:
    """A picture of a size (width, height) with the plate seen at four corners."""
    height, width = plate.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners)
    canvas = np.full((size[1], size[0], 3), 90, np.uint8)
    shown = cv2.warpPerspective(plate, matrix, size)
    mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size)
    canvas[mask > 127] = shown[mask > 127]
    return canvas
