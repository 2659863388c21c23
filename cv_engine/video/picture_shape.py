"""Pictures as they are meant to be seen: with square pixels, and of one moment."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

# Pixel shapes outside this range are fields of a header that hold something else.
_NARROWEST, _WIDEST = Fraction(1, 4), Fraction(4)
# 8-bit formats with a plane for each of luma and chroma.
_PLANAR = frozenset(f"{kind}{layout}" for kind in ("yuv", "yuvj") for layout in ("420p", "422p"))
# A pixel is combed where it differs from its neighbours above and below as the lines of two moments
# do: the five-line measure of Telecide and TFM, as in FFmpeg's fieldmatch, with their threshold.
_COMB = np.array([[1], [-3], [4], [-3], [1]], np.float32)
_COMBED = 6 * 9
# Only a column of so many combed lines is: a thin horizontal line is combed as well, but alone.
_COLUMN = np.ones((7, 1), np.uint8)
# Pixels beside combed ones are replaced too: their difference may lie below the threshold.
_BESIDE = np.ones((9, 9), np.uint8)


def square_size(width: int, height: int, pixel_shape: Fraction | None) -> tuple[int, int]:
    """The size at which a picture is seen with square pixels, by changing the width only.

    Args:
        width: Stored width in pixels.
        height: Stored height in pixels.
        pixel_shape: Width of a pixel by its height (sample aspect ratio); ``None`` if not stated.

    Returns:
        Width, an even number where it changes, and height.
    """
    if not pixel_shape or pixel_shape == 1 or not _NARROWEST <= pixel_shape <= _WIDEST:
        return width, height
    return max(2, 2 * round(width * pixel_shape / 2)), height


def deinterlaced(frame: VideoFrame) -> VideoFrame:
    """A picture of one moment from one whose lines alternate between two (interlaced).

    Where something moves, the lines of the second moment are replaced by the mean of their
    neighbours. What stands still keeps all its lines, as in a progressive picture.

    Args:
        frame: The decoded picture.

    Returns:
        ``frame`` itself where it is not interlaced, or its format has no 8-bit planes.
    """
    if not frame.interlaced_frame or frame.format.name not in _PLANAR:
        return frame
    combed = _combed(_pixels(frame, 0))
    result = VideoFrame(frame.width, frame.height, frame.format.name)
    for index in range(len(frame.planes)):
        plane = _pixels(frame, index)
        size = (plane.shape[1], plane.shape[0])
        here = combed if index == 0 else cv2.resize(combed, size, interpolation=cv2.INTER_AREA)
        _pixels(result, index)[:] = _without_comb(plane, np.asarray(here, np.uint8))
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    return result


def _pixels(frame: VideoFrame, index: int) -> Plane:
    """The pixels of one plane, (H, W) uint8, not copied."""
    plane = frame.planes[index]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return lines[:, : plane.width]


def _combed(luma: Plane) -> Plane:
    """Marks combed pixels and those beside them by 255."""
    measure = cv2.filter2D(luma, cv2.CV_16S, _COMB)
    mask = np.asarray(np.abs(measure) > _COMBED, np.uint8) * 255
    columns = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _COLUMN)
    return np.asarray(cv2.dilate(columns, _BESIDE), np.uint8)


def _without_comb(plane: Plane, combed: Plane) -> Plane:
    """Replaces combed pixels in every second line by the mean of the lines around."""
    result = plane.copy()
    second = plane[1::2]
    above = plane[0::2][: len(second)]
    below = np.concatenate((plane[2::2], above[-1:]))[: len(second)]
    mean = cv2.addWeighted(above, 0.5, below, 0.5, 0)
    result[1::2] = np.where(combed[1::2] > 0, mean, second)
    return result
