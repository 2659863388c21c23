"""What detectors of change are given, and what they give back."""

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
    MISALIGNED = 7  # where the two images could not be brought together


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """One window at two dates, made comparable: same grid, aligned, same light.

    Attributes:
        before: uint8 ``(height, width, bands)``, C-contiguous: red, green, blue, and near infrared
            where both images have it.
        after: The same of the later date.
        quality: uint8 ``(height, width)`` of :class:`Quality`; 0 where the two can be compared.
        resolution_m: Side of a pixel on the ground, metres.
        core: Rows and columns for which an answer is needed; the rest is there to be seen around them.
    """

    before: Picture
    after: Picture
    quality: Picture
    resolution_m: float
    core: tuple[slice, slice] = (slice(None), slice(None))

    def in_core(self, mask: Mask) -> Mask:
        """A mask of the window without what lies outside of the core."""
        within = np.zeros_like(mask)
        within[self.core] = mask[self.core]
        return within


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """How sure a detector is, for each pixel of a window.

    Attributes:
        appeared: float32 ``(height, width)``, 0 to 1: a building stands there that did not before.
        gone: The same for a building that stood there and does no more.
    """

    appeared: Probability
    gone: Probability


class Detector(Protocol):
    """Finds changed buildings in what was made comparable.

    Attributes:
        name: As users choose and see it.
        margin_px: Pixels around a window whose content it wants to see, so that no seam shows.
    """

    @property
    def name(self) -> str:
        """As users choose and see it."""
        ...

    @property
    def margin_px(self) -> int:
        """Pixels around a window whose content it wants to see."""
        ...

    def __call__(self, views: Views) -> Change:
        """Judges a window; where it cannot be compared, both probabilities are 0.

        Outside of the window's core there may be any answer.
        """
        ...
