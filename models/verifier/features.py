"""Numbers that describe a region in two pictures, from which the head judges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.verifier.backbone import CHANNELS, STRIDES_PX, Backbone
from models.verifier.crops import SIDE_PX, Region, Square, cut_all

Floats = NDArray[np.float32]

_POOLED = 6  # means of each channel: see `_pooled`
_LIKENESS = 4  # per level: see `_likeness`
COUNT = sum(_POOLED * channels + _LIKENESS for channels in CHANNELS)

_TINY = 1e-6  # keeps quotients finite where all is 0


def describe(backbone: Backbone, before: Floats, now: Floats, regions: Sequence[Region]) -> Floats:
    """Describe regions in two pictures of one view.

    Args:
        backbone: The layers of the detector.
        before: The empty view, grey levels 0 to 255, shape (h, w).
        now: The view now, of the same shape.
        regions: The regions.

    Returns:
        One row of ``COUNT`` numbers for each region.

    Raises:
        ModelError: The backbone fails.
    """
    if not regions:
        return np.zeros((0, COUNT), np.float32)
    squares = [Square.around(region) for region in regions]
    pictures = np.concatenate([cut_all(before, squares), cut_all(now, squares)])
    rows = []
    for level, stride in zip(backbone(pictures), STRIDES_PX, strict=True):
        weights = _weights(squares, regions, before.shape, SIDE_PX // stride)
        cells = level.reshape(2, len(regions), level.shape[1], -1)
        rows += [_pooled(cells[0], cells[1], weights), _likeness(cells[0], cells[1], weights)]
    return np.concatenate(rows, axis=1)


def _weights(
    squares: Sequence[Square], regions: Sequence[Region], shape: tuple[int, ...], cells: int
) -> Floats:
    """Weights of the cells inside each region and around it, ``(n, 2, cells * cells)``; sum 1."""
    pairs = [
        square.coverage(region, shape, cells)
        for square, region in zip(squares, regions, strict=True)
    ]
    weights = np.array(pairs, np.float32).reshape(len(regions), 2, -1)
    return np.asarray(weights / np.maximum(weights.sum(axis=2, keepdims=True), _TINY), np.float32)


def _pooled(before: Floats, now: Floats, weights: Floats) -> Floats:
    """Means of the channels inside and around, in both pictures, and of their differences.

    Args:
        before: Cells ``(n, channels, cells)`` of the empty view.
        now: Those of the view now.
        weights: Weights ``(n, 2, cells)``.

    Returns:
        ``(n, 6 * channels)``.
    """
    ways = np.swapaxes(weights, 1, 2)
    means = [cells @ ways for cells in (before, now, np.abs(now - before))]
    return np.concatenate(means, axis=2).reshape(len(before), -1)


def _likeness(before: Floats, now: Floats, weights: Floats) -> Floats:
    """Cosines of the cells in both pictures: means inside and around, and of the means.

    Of the means, inside against around in the empty view and now: what is uncovered resembles its
    surroundings more than what was there.
    """
    norms = [np.sqrt((cells**2).sum(axis=1)) + _TINY for cells in (before, now)]
    cosine = (before * now).sum(axis=1) / (norms[0] * norms[1])
    local = (weights @ cosine[:, :, None])[:, :, 0]
    ways = np.swapaxes(weights, 1, 2)
    fits = []
    for cells in (before, now):
        inside, around = np.moveaxis(cells @ ways, 2, 0)
        length = np.linalg.norm(inside, axis=1) * np.linalg.norm(around, axis=1) + _TINY
        fits.append((inside * around).sum(axis=1) / length)
    return np.concatenate([local, np.stack(fits, axis=1)], axis=1)
