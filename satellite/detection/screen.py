"""The screen: cheaply discards unchanged land, which is most of a scene.

At a scale at which a small house is a few pixels wide, the earlier date is matched to the light of
the later one around each place. A pixel differs only by how far it lies outside of the range of the
other date within one pixel, so that residual shifts, blur and sensor differences do not count (the
tolerance of one pixel is that of morphological change detection; Dalla Mura et al., 2008). Where
the difference over the width of a small house reaches the contrast of a roof against its ground,
the detector is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture, Quality, Views

_Raster = NDArray[np.float32]
_Value = TypeVar("_Value", np.uint8, np.uint16)

# Working pixel size, metres: a house of 8 m is four pixels wide, while cars, and the
# misregistration of 0.5 m images, disappear.
_SCALE_M = 2.0
# Width of the smallest building that must be kept, metres; differences are averaged over it.
_HOUSE_M = 6.0
# Least difference of a building from the ground before, averaged over that width, grey levels: 6 %
# of the range. Of single houses inserted into unchanged ground, 98 in 100 differ by more.
_CONTRAST = 15.0
# Tolerated shift between the dates, pixels at the working scale.
_SLACK_PX = 1
# Side of the cells on which the screen decides, metres: a small house; at least 2 pixels.
_CELL_M = 8.0
# Side of the surroundings whose light is matched to the later date, metres: some fields and blocks,
# so that a new house hardly affects it.
_LIGHT_M = 100.0
# Range of the gain between the dates' contrasts: sun and haze.
_GAIN = (0.5, 2.0)
# Contrast (variance) below which ground is bare and the gain undefined, grey levels squared.
_BARE = 4.0
# Margin around a difference, metres: the foot of its walls and the adjoining ground.
_AROUND_M = 4.0
# Side of the largest enclosed gap that is selected, too, metres: a roof may look like the ground
# around it, so that only its walls and shadow differ.
_HALL_M = 100.0


@dataclass(frozen=True, slots=True)
class Screen:
    """Selects the places that a detector must judge.

    Example:
        >>> picture = np.zeros((256, 256, 3), np.uint8)
        >>> views = Views(picture, picture, np.zeros((256, 256), np.uint8), 0.5)
        >>> bool(Screen()(views).any())
        False

    Attributes:
        contrast: Least difference of a building from the ground before, grey levels; a lower value
            finds more low-contrast buildings and passes on more ground.
    """

    contrast: float = _CONTRAST

    def __call__(self, views: Views) -> NDArray[np.bool_]:
        """Screens a window.

        Args:
            views: The window at two dates, aligned.

        Returns:
            bool ``(h, w)``: where a building may have appeared or gone; False where pixels cannot
            be compared.
        """
        factor = max(1, round(_SCALE_M / views.resolution_m))
        scale_m = factor * views.resolution_m
        cell = max(2, round(_CELL_M / scale_m))
        before, after = (
            _grey(picture, factor, factor * cell) for picture in (views.before, views.after)
        )
        clear = _clear(views.quality, factor, factor * cell)
        lit = _match_light(before, after, clear, cell, max(1, round(_LIGHT_M / (scale_m * cell))))
        differs = _differs(lit, after, clear, self.contrast, max(1, round(_HOUSE_M / scale_m)))
        cells = _cells(differs, cell, round(_AROUND_M / scale_m))
        hall = round(_HALL_M / (scale_m * cell))
        return _on_pixels(_fill_gaps(cells, hall), factor * cell, views.quality, clear is None)


def _grey(picture: Picture, factor: int, block: int) -> Picture:
    """Grey at the working scale, padded to whole cells: ``(rows * cell, cols * cell)``."""
    bands = picture.shape[2]
    if bands >= 3:
        code = cv2.COLOR_RGB2GRAY if bands == 3 else cv2.COLOR_RGBA2GRAY
        grey = np.asarray(cv2.cvtColor(picture, code), np.uint8)
    else:
        grey = np.ascontiguousarray(picture[..., 0])
    return _means(_padded(grey, block, cv2.BORDER_REPLICATE), factor)


def _padded(raster: Picture, block: int, kind: int) -> Picture:
    """Pads a raster at the bottom and right to whole blocks."""
    below, right = -raster.shape[0] % block, -raster.shape[1] % block
    if not below and not right:
        return raster
    return np.asarray(cv2.copyMakeBorder(raster, 0, below, 0, right, kind), np.uint8)


def _means(raster: NDArray[_Value], side: int) -> NDArray[_Value]:
    """The mean of each square of ``side`` pixels."""
    while side > 1:
        step = side if side % 2 else 2  # OpenCV is fast at halving
        size = (raster.shape[1] // step, raster.shape[0] // step)
        raster = np.asarray(cv2.resize(raster, size, interpolation=cv2.INTER_AREA), raster.dtype)
        side //= step
    return raster


def _any(mask: Picture, side: int) -> NDArray[np.bool_]:
    """Whether any pixel of each square of ``side`` pixels is 1."""
    return np.asarray(_means(mask * np.uint8(255), side) > 0)


def _clear(quality: Picture, factor: int, block: int) -> Picture | None:
    """1 where a working pixel is entirely clear, else 0; ``None`` if all are."""
    if not cv2.countNonZero(quality):
        return None
    unclear = (quality != Quality.CLEAR).view(np.uint8)
    # Padding counts as clear; nothing is selected there in any case.
    whole = _padded(unclear, block, cv2.BORDER_CONSTANT)
    return np.asarray(_any(whole, factor) == 0).view(np.uint8)


def _match_light(
    before: Picture, after: Picture, clear: Picture | None, cell: int, around: int
) -> Picture:
    """The earlier date with the later date's brightness and contrast around each cell."""
    if clear is not None:
        before, after = before * clear, after * clear
    seen = (
        None
        if clear is None
        else _local_mean(clear * np.uint8(255), cell, around) / np.float32(255)
    )
    mean_before, var_before = _local_moments(before, seen, cell, around)
    mean_after, var_after = _local_moments(after, seen, cell, around)
    gains = np.clip(np.sqrt((var_after + _BARE) / (var_before + _BARE)), *_GAIN)
    biases = mean_after - gains * mean_before
    size = (before.shape[1], before.shape[0])
    gain, bias = (cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in (gains, biases))
    scaled = cv2.multiply(before, gain, dtype=cv2.CV_32F)
    return np.asarray(cv2.add(scaled, bias, dtype=cv2.CV_8U), np.uint8)


def _local_moments(
    grey: Picture, seen: _Raster | None, cell: int, around: int
) -> tuple[_Raster, _Raster]:
    """Mean and variance of the clear pixels around each cell."""
    mean = _local_mean(grey, cell, around)
    square = _local_mean(np.multiply(grey, grey, dtype=np.uint16), cell, around)
    if seen is not None:
        np.divide(mean, seen, out=mean, where=seen > 0)
        np.divide(square, seen, out=square, where=seen > 0)
    return mean, np.maximum(square - mean * mean, np.float32(0))


def _local_mean(raster: NDArray[_Value], cell: int, around: int) -> _Raster:
    """Mean over the surroundings of each cell."""
    cells = _means(raster, cell).astype(np.float32)
    side = (min(around, cells.shape[1]), min(around, cells.shape[0]))
    return np.asarray(cv2.blur(cells, side, borderType=cv2.BORDER_REFLECT), np.float32)


def _differs(
    before: Picture, after: Picture, clear: Picture | None, contrast: float, house: int
) -> Picture:
    """1 where the dates differ beyond tolerance, averaged over a house's width, by ``contrast``."""
    near = np.ones((2 * _SLACK_PX + 1, 2 * _SLACK_PX + 1), np.uint8)
    most = np.zeros_like(before)
    for one, other in ((before, after), (after, before)):
        for beyond in (
            cv2.subtract(one, cv2.dilate(other, near)),
            cv2.subtract(cv2.erode(other, near), one),
        ):
            cv2.max(most, beyond, dst=most)
    if clear is not None:
        most *= np.asarray(cv2.erode(clear, near), np.uint8)
    if house > 1:
        most = np.asarray(cv2.blur(most, (house, house)), np.uint8)
    return (most >= contrast).view(np.uint8)


def _cells(differs: Picture, cell: int, grow: int) -> Picture:
    """1 for cells with a difference within them or within ``grow`` pixels."""
    if grow:
        around = np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)
        differs = np.asarray(cv2.dilate(differs, around), np.uint8)
    return _any(differs, cell).view(np.uint8)


def _fill_gaps(cells: Picture, hall: int) -> Picture:
    """Adds enclosed gaps that are no larger than a hall."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - cells, connectivity=4)
    left, top, width, height, area = stats.T
    rows, cols = cells.shape
    inside = (left > 0) & (top > 0) & (left + width < cols) & (top + height < rows)
    return np.asarray(cells | (inside & (area <= hall**2))[labels], np.uint8)


def _on_pixels(cells: Picture, block: int, quality: Picture, all_clear: bool) -> NDArray[np.bool_]:
    height, width = quality.shape
    size = (cells.shape[1] * block, cells.shape[0] * block)
    on_pixels = cv2.resize(cells, size, interpolation=cv2.INTER_NEAREST)[:height, :width]
    wanted = np.ascontiguousarray(on_pixels).astype(np.bool_, copy=False)
    return wanted if all_clear else wanted & (quality == Quality.CLEAR)
