"""Values with which processing may have filled what an image does not show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterBlockError
from rasterio.io import DatasetReader
from rasterio.windows import Window

Values = NDArray[Any]
Valid = NDArray[np.bool_]
#: Reads a window: values ``(bands, height, width)``, and the mask ``(height, width)`` of pixels
#: that metadata do not mark as empty; ``None``: all.
Read = Callable[[Window], tuple[Values, Valid | None]]

#: Side of the cells in which empty ground is sought, pixels.
CELL_PX = 8
#: Length along the border from which constant ground may be empty, pixels.
CORNER_PX = 32
# Largest value of all bands of an 8-bit pixel that counts as black, and least of one that counts as
# white: compression and scanning make both inexact.
_BLACK, _WHITE = 5, 250
# Most values that are looked for, and number of the file's smallest blocks that are examined, if
# their bytes are less than this share of the median.
_MOST_VALUES = 8
_SMALLEST_BLOCKS = 16
_SMALL = 0.5
# Number of pixels up to which an image is searched for constant squares, and side of the squares.
_SEARCHED_PX = 1 << 24
_SQUARE_PX = 32
# Length of the border at each corner that is examined of a remote image, pixels.
_CORNERS_PX = 128


def equal(values: Values, value: Values, eight_bit: bool) -> Valid:
    """Where all bands of ``(bands, height, width)`` have a value ``(bands,)``.

    Black and white of 8 bits need not be exact.
    """
    if eight_bit and not value.any():
        return np.asarray(values.max(axis=0) <= _BLACK)
    if eight_bit and value.min() >= _WHITE:
        return np.asarray(values.min(axis=0) >= _WHITE)
    return np.asarray((values == value[:, None, None]).all(axis=0))


def find_fill_values(dataset: DatasetReader, read: Read, *, remote: bool) -> list[Values]:
    """Finds values that fill stretches of the border, squares inside, or blocks of the file.

    Args:
        dataset: The opened image.
        read: Reads a window of the bands to examine.
        remote: Whether the image is read over the network: then only its corners and the smallest
            blocks of the file are examined. What a scene leaves out of its bounding box has a
            corner in it.

    Returns:
        Some values ``(bands,)``, the most frequent first; most images have none.
    """
    eight_bit = dataset.dtypes[0] == "uint8"
    found: dict[bytes, tuple[int, Values]] = {}
    for value, length in (
        *_along_border(dataset, read, eight_bit, remote),
        *_inside(dataset, read, remote),
    ):
        rounded = _rounded(value[:, None], eight_bit)[:, 0]
        known = found.get(rounded.tobytes(), (0, value))[0]
        found[rounded.tobytes()] = (known + length, rounded)
    most = sorted(found.values(), key=lambda each: -each[0])[:_MOST_VALUES]
    return [value for _, value in most]


def _rounded(line: Values, eight_bit: bool) -> Values:
    """Pixels ``(bands, n)`` with nearly black and white ones made exact."""
    if not eight_bit:
        return line
    line = np.where(line.max(axis=0) <= _BLACK, np.uint8(0), line)
    return np.where(line.min(axis=0) >= _WHITE, np.uint8(255), line)


def _along_border(
    dataset: DatasetReader, read: Read, eight_bit: bool, remote: bool
) -> Iterator[tuple[Values, int]]:
    """Values of long stretches of the outermost pixels, with their lengths.

    Shorter ones count where the opposite border has the same value, for missing lines.
    """
    for first, second in _opposite_lines(dataset.width, dataset.height, remote):
        lines, ground = [], []
        for window in (first, second):
            values, valid = read(window)
            lines.append(_rounded(values.reshape(len(values), -1), eight_bit))
            length = lines[-1].shape[1]
            ground.append(np.ones(length, np.bool_) if valid is None else valid.ravel())
        opposite = (lines[0] == lines[1]).all(axis=0) & ground[0] & ground[1]
        if length < CELL_PX:
            continue
        least = min(CORNER_PX, length // 2)
        yield from _runs(lines[0], ground[0], least)
        yield from _runs(lines[1], ground[1], least)
        yield from _runs(lines[0], opposite, min(CELL_PX, least))


def _opposite_lines(width: int, height: int, only_corners: bool) -> Iterator[tuple[Window, Window]]:
    """Lines of outermost pixels: at the top and bottom, and at the left and right."""
    for start, length in _lengths(width, only_corners):
        yield Window(start, 0, length, 1), Window(start, height - 1, length, 1)
    for start, length in _lengths(height, only_corners):
        yield Window(0, start, 1, length), Window(width - 1, start, 1, length)


def _lengths(side: int, only_ends: bool) -> list[tuple[int, int]]:
    """Start and length of the parts of a side that are examined."""
    if not only_ends or side <= 2 * _CORNERS_PX:
        return [(0, side)]
    return [(0, _CORNERS_PX), (side - _CORNERS_PX, _CORNERS_PX)]


def _runs(line: Values, ground: Valid, least: int) -> Iterator[tuple[Values, int]]:
    """Values and lengths of the constant stretches of a line ``(bands, n)``."""
    same = (line[:, 1:] == line[:, :-1]).all(axis=0) & ground[1:] & ground[:-1]
    starts = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
    for start, stop in pairwise(starts):
        if stop - start >= least and ground[start]:
            yield line[:, start].copy(), int(stop - start)


def _inside(dataset: DatasetReader, read: Read, remote: bool) -> Iterator[tuple[Values, int]]:
    """Values of constant squares of a small image, and of blocks of the file, with their sides."""
    for window in _smallest_blocks(dataset):
        values, valid = read(window)
        first = values[:, :1, :1]
        if (valid is None or valid.all()) and (values == first).all():
            yield first.ravel().copy(), min(int(window.width), int(window.height))
    wide = dataset.width // _SQUARE_PX
    if remote or not wide or dataset.width * dataset.height > _SEARCHED_PX:
        return
    for top in range(0, dataset.height - _SQUARE_PX + 1, _SQUARE_PX):
        values, valid = read(Window(0, top, dataset.width, _SQUARE_PX))
        squares = values[:, :, : wide * _SQUARE_PX].reshape(len(values), _SQUARE_PX, wide, -1)
        first = squares[:, :1, :, :1]
        constant = (squares == first).all(axis=(0, 1, 3))
        if valid is not None:
            constant &= valid[:, : wide * _SQUARE_PX].reshape(_SQUARE_PX, wide, -1).all(axis=(0, 2))
        for index in np.flatnonzero(constant):
            yield first[:, 0, index, 0].copy(), _SQUARE_PX


def _smallest_blocks(dataset: DatasetReader) -> Iterator[Window]:
    """The blocks that compress far better than most, among which are the constant ones."""
    if dataset.driver != "GTiff":
        return
    sizes: dict[tuple[int, int], int] = {}
    for (row, col), _ in dataset.block_windows(1):
        try:
            sizes[row, col] = dataset.block_size(1, row, col)
        except RasterBlockError:  # not in the file
            sizes[row, col] = 0
    usual = float(np.median(list(sizes.values())))
    for row, col in sorted(sizes, key=lambda place: sizes[place])[:_SMALLEST_BLOCKS]:
        if sizes[row, col] < _SMALL * usual:
            yield dataset.block_window(1, row, col)
