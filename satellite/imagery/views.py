"""The input and output of change detectors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Probability = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Quality(IntEnum):
    """Whether a pixel can be compared, and if not, why: values of the quality layer."""

    CLEAR = 0
    NODATA = 1
    CLOUD = 2
    SHADOW = 3  # of a cloud
    HAZE = 4
    SNOW = 5
    WATER = 6  # at both dates
    MISALIGNED = 7  # where the two images could not be aligned


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """One window at two dates, made comparable: same grid, aligned, same radiometry.

    Attributes:
        before: uint8 ``(height, width, bands)``, C-contiguous: red, green, blue, and near infrared
            where both images have it.
        after: The later date, in the same form.
        quality: uint8 ``(height, width)`` of :class:`Quality`; 0 where the two can be compared.
        resolution_m: Side of a pixel on the ground, metres.
        core: Rows and columns that the detector must judge; the rest is context.
    """

    before: Picture
    after: Picture
    quality: Picture
    resolution_m: float
    core: tuple[slice, slice] = (slice(None), slice(None))

    def in_core(self, mask: Mask) -> Mask:
        """A mask of the window, cleared outside of the core."""
        within = np.zeros_like(mask)
        within[self.core] = mask[self.core]
        return within


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A detector's result for a window.

    Attributes:
        appeared: float32 ``(height, width)``, 0 to 1: probability that a building appeared.
        gone: float32 ``(height, width)``, 0 to 1: probability that a building was demolished.
    """

    appeared: Probability
    gone: Probability


class Detector(Protocol):
    """Finds changed buildings in a pair of comparable images.

    Attributes:
        name: The name by which users choose the detector.
        margin_px: Pixels of context that the detector needs around a window to avoid seams.
    """

    @property
    def name(self) -> str:
        """The name by which users choose the detector."""
        ...

    @property
    def margin_px(self) -> int:
        """Pixels of context that the detector needs around a window."""
        ...

    def __call__(self, views: Views) -> Change:
        """Judges a window; where it cannot be compared, both probabilities are 0.

        Outside of the window's core the result is undefined.
        """
        ...
