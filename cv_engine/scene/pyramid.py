"""A picture at two scales, made once for all that compare it with the view."""

from __future__ import annotations

from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

# Width of the coarse picture, pixels.
_COARSE_PX = 160


class Pyramid(NamedTuple):
    """A grey picture, and the same scaled down by averaging.

    Attributes:
        fine: The picture itself, shape (h, w).
        coarse: At most 160 pixels wide, uint8, of the same proportions.
    """

    fine: NDArray[np.uint8] | NDArray[np.float32]
    coarse: NDArray[np.uint8]

    @classmethod
    def of(cls, picture: NDArray[np.uint8] | NDArray[np.float32]) -> Self:
        """Scales a picture down."""
        height, width = picture.shape
        factor = min(1.0, _COARSE_PX / width)
        size = (round(width * factor), max(1, round(height * factor)))
        # In bytes, which are scaled down in a quarter of the time.
        small = cv2.resize(picture.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
        return cls(picture, np.asarray(small, np.uint8))
