"""The picture of a plate as a reader takes it: cut by four corners, two lines laid side by side."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Region = tuple[float, float, float, float]

INPUT_WIDTH_PX = 128
INPUT_HEIGHT_PX = 32

# Left, top, right, bottom of the two lines in parts of the plate (GA 36-2018: 440 x 220 mm, glyphs
# of 60 mm from 15 mm on, glyphs of 110 mm from 90 mm on), with a margin for errors of the corners.
UPPER: Region = (0.19, 0.0, 0.81, 0.42)
LOWER: Region = (0.0, 0.34, 1.0, 1.0)
UPPER_WIDTH_PX = 44
"""Width that the upper line has in the input; the lower one has the rest."""

# Added on each side of a found plate, in parts of its width and height: corners are often found a
# little inside, and a cut character is lost.
_MARGIN_ACROSS, _MARGIN_DOWN = 0.03, 0.05
# Finest sampling, in samples per pixel of the input and direction: beyond that a plate of 1500
# pixels, no camera needs more.
_FINEST = 12


def one_line(image: Image, corners: Floats) -> Image:
    """Cut out a plate of one line.

    Args:
        image: BGR picture.
        corners: Top left, top right, bottom right, bottom left, ``(4, 2)`` pixels.

    Returns:
        The plate, ``(32, 128, 3)``.
    """
    return cut_out(image, corners, (INPUT_WIDTH_PX, INPUT_HEIGHT_PX))


def two_lines(image: Image, corners: Floats) -> Image:
    """Cut out a plate of two lines and lay the lower one at the right of the upper one.

    Args:
        image: BGR picture.
        corners: As for :func:`one_line`.

    Returns:
        Both lines, ``(32, 128, 3)``.
    """
    return side_by_side(cut_out(image, corners, (INPUT_WIDTH_PX, 2 * INPUT_HEIGHT_PX)))


def whole(image: Image) -> Image:
    """Return a crop that shows one plate of one line as the reader takes it."""
    return _resized(image, (INPUT_WIDTH_PX, INPUT_HEIGHT_PX))


def side_by_side(plate: Image) -> Image:
    """Lay the two lines of a rectified plate side by side.

    Args:
        plate: The whole plate and no more, ``(height, width, 3)``.
    """
    height, width = plate.shape[:2]
    widths = (UPPER_WIDTH_PX, INPUT_WIDTH_PX - UPPER_WIDTH_PX)
    parts = [
        _resized(
            plate[
                round(top * height) : round(bottom * height),
                round(left * width) : round(right * width),
            ],
            (across, INPUT_HEIGHT_PX),
        )
        for (left, top, right, bottom), across in zip((UPPER, LOWER), widths, strict=True)
    ]
    return np.hstack(parts)


def cut_out(image: Image, corners: Floats, size: tuple[int, int]) -> Image:
    """Cut out a plate with a small margin, upright and without perspective.

    Args:
        image: BGR picture.
        corners: As for :func:`one_line`.
        size: Width and height of the result, pixels.
    """
    centre = corners.mean(axis=0)
    across, down = corners[1] + corners[2] - centre * 2, corners[2] + corners[3] - centre * 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    spread = signs[:, :1] * across * _MARGIN_ACROSS + signs[:, 1:] * down * _MARGIN_DOWN
    source = (corners + spread).astype(np.float32)
    width, height = size
    # As many samples as the picture has pixels, then their mean: fewer would alias.
    edges = np.linalg.norm(source - np.roll(source, 1, axis=0), axis=1)
    finest = max(edges[1] / width, edges[3] / width, edges[0] / height, edges[2] / height)
    times = int(np.clip(math.ceil(finest), 1, _FINEST))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) * times
    matrix = cv2.getPerspectiveTransform(source, target)
    large = cv2.warpPerspective(
        image, matrix, (width * times, height * times), borderMode=cv2.BORDER_REPLICATE
    )
    return _resized(large.astype(np.uint8), size)


def _resized(image: Image, size: tuple[int, int]) -> Image:
    shrinks = image.shape[1] > size[0] and image.shape[0] > size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method).astype(np.uint8)
