"""Windows by which an image is sampled that is too large to be read whole."""

from __future__ import annotations

from collections.abc import Iterator

from rasterio.windows import Window

# 10 x 10 windows of 96 px hold 0.9 megapixels: percentiles settle, and at most 100 blocks are
# decoded.
_PER_SIDE = 10
_SIDE = 96


def sample_windows(width: int, height: int) -> Iterator[Window]:
    """Windows spread evenly over an image.

    Args:
        width: Width of the image, pixels.
        height: Height of the image, pixels.

    Yields:
        At most 100 windows of at most 96 x 96 px, without overlap; a small image is covered whole.
    """
    for top, bottom in _spans(height):
        for left, right in _spans(width):
            yield Window(left, top, right - left, bottom - top)


def _spans(length: int) -> list[tuple[int, int]]:
    if length <= _PER_SIDE * _SIDE:
        return [(start, min(start + _SIDE, length)) for start in range(0, length, _SIDE)]
    pitch = length / _PER_SIDE
    starts = [int((index + 0.5) * pitch) - _SIDE // 2 for index in range(_PER_SIDE)]
    return [(start, start + _SIDE) for start in starts]
