"""Tells red from blue by what an image shows, where no metadata tell which band is which.

Bright land (soil, sand, tiles) is redder than dark land (shadow lit by the sky, vegetation): the
ratio of red to blue grows with brightness. And plants absorb red far more than soil does, blue
hardly more, so that the vegetation index varies more with red than with blue. Both hold whatever
the gain of each band.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from satellite.imagery.sampling import sample_windows

Array = NDArray[np.float64]

# Side of the squares of pixels that are averaged: noise and single leaves say nothing.
_AVERAGED_PX = 4
# Fewest squares with data, and the least share of infrared over green on land rather than water.
_LEAST = 200
_LAND = 0.8
# Darkest share of land that is left out.
_DARK = 0.05
# Weight of the vegetation index beside the ratio's correlation with brightness.
_WEIGHT = 2.0
# Score from which the order is certain: images of known order have 0.47 and more.
_CERTAIN = 0.3
# Correlation of the colours of two dates from which they agree, or disagree.
_ALIKE = 0.2


def red_score(dataset: DatasetReader, bands: Sequence[int]) -> float:
    """Scores whether the first of three bands shows red and the last blue.

    Args:
        dataset: The opened image.
        bands: 1-based numbers of red, green, blue (or blue, green, red), and near infrared.

    Returns:
        Above 0 for red, green, blue; below for blue, green, red; 0 where nothing tells.
    """
    squares = [
        _averaged(dataset.read(list(bands), window=window), dataset.nodata)
        for window in sample_windows(dataset.width, dataset.height)
    ]
    first, green, last, infrared = np.concatenate(squares, axis=1)
    light = first + green + last
    land = infrared > _LAND * green
    if land.sum() < _LEAST:
        return 0.0
    land &= light > np.quantile(light[land], _DARK)
    first, last, infrared, light = (
        np.log(values[land]) for values in (first, last, infrared, light)
    )
    spreads = (infrared - first).std(), (infrared - last).std()
    ratio = first - last
    if min(*spreads, ratio.std(), light.std()) == 0:
        return 0.0
    redder = _correlation(ratio, light)
    return float(redder + _WEIGHT * np.log(spreads[0] / spreads[1]))


def is_certain(score: float) -> bool:
    """Whether a score of :func:`red_score` tells the order."""
    return abs(score) >= _CERTAIN


def same_order(before: Array, after: Array) -> bool | None:
    """Whether the bands that are taken for red and blue are in the same order at two dates.

    Args:
        before: float ``(2, n)``: the bands taken for red and blue, of the same places.
        after: The same at the other date.

    Returns:
        ``None`` where nothing tells.
    """
    ok = (before > 0).all(axis=0) & (after > 0).all(axis=0)
    if ok.sum() < _LEAST:
        return None
    ratios = [np.log(date[0, ok] / date[1, ok]) for date in (before, after)]
    if min(ratio.std() for ratio in ratios) == 0:
        return None
    alike = _correlation(*ratios)
    return None if abs(alike) < _ALIKE else alike > 0


def _averaged(values: NDArray[np.generic], nodata: float | None) -> Array:
    """Means ``(bands, n)`` of the squares all of whose values are positive and no nodata."""
    with np.errstate(invalid="ignore"):  # damaged floating point numbers
        bands = np.asarray(values, np.float64)
    rows, cols = (side // _AVERAGED_PX for side in bands.shape[1:])
    squares = bands[:, : rows * _AVERAGED_PX, : cols * _AVERAGED_PX].reshape(
        len(bands), rows, _AVERAGED_PX, cols, _AVERAGED_PX
    )
    good = np.isfinite(squares) & (squares > 0)
    if nodata is not None:
        good &= squares != nodata
    whole = good.all(axis=(0, 2, 4))
    return np.asarray(squares.mean(axis=(2, 4))[:, whole])


def _correlation(first: Array, second: Array) -> float:
    """Correlation of ranks, which outliers hardly affect."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Array) -> Array:
    ranks = np.empty(len(values))
    ranks[np.argsort(values)] = np.arange(len(values))
    return ranks
