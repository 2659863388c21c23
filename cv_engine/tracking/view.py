"""The pixels of one sample, addressed by boxes of the frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.background import Background

Box = NDArray[np.float32]
Patch = NDArray[np.float32]

#: Correlation of two patches from which they show the same thing.
SAME = 0.6
# Side of the grey patch by which a thing is recognised, pixels; boxes smaller than that on the
# small picture have too few pixels of their own to tell anything.
_PATCH, _PATCH_MIN_SIDE = 24, 6.0
# Length of a patch's gradients below which it shows a bare surface, grey levels.
_PATCH_CONTRAST = 400.0


class View:
    """The pixels of one sample, addressed by boxes of the full frame.

    Args:
        background: The model after the sample.
        scale: Pixels of the small picture per pixel of the frame.
    """

    def __init__(self, background: Background, scale: float) -> None:
        self._background = background
        self._scale = scale
        self.first_s = background.first_s

    def still_since(self, box: Box) -> float:
        """Since when what fills the box has stood there, seconds."""
        small = self._small(box)
        since = self._background.still_since(small)
        # A grey car on grey asphalt matches it pixel by pixel, but not as a picture.
        now, was = self.patch(box), self._patch(box, self._background.background)
        if now is None or was is None or correlation(now, was) >= SAME:
            return since
        return max(since, self._background.settled_since(small))

    def bare_share(self, box: Box) -> float:
        """Share of the box that shows the background, 0 to 1."""
        return self._background.bare_share(self._small(box))

    def _small(self, box: Box) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = (float(value) * self._scale for value in box)
        return x1, y1, x2, y2

    def patch(self, box: Box) -> Patch | None:
        """Appearance under a box: gradients (2, 24, 24) of unit length; ``None`` if too small."""
        return self._patch(box, self._background.latest)

    def _patch(self, box: Box, picture: Patch) -> Patch | None:
        x1, y1, x2, y2 = self._small(box)
        height, width = picture.shape
        top, bottom = max(0, int(y1)), min(height, round(y2))
        left, right = max(0, int(x1)), min(width, round(x2))
        if min(bottom - top, right - left) < _PATCH_MIN_SIDE:
            return None
        grey = cv2.resize(
            picture[top:bottom, left:right], (_PATCH, _PATCH), interpolation=cv2.INTER_AREA
        )
        patch = np.stack([cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)])
        length = float(np.linalg.norm(patch))
        return np.asarray(patch / length, np.float32) if length > _PATCH_CONTRAST else None


def correlation(first: Patch, second: Patch) -> float:
    """Normalised correlation of two patches, -1 to 1.

    Patches are gradients, which belong to the thing; grey levels depend on light and background.
    """
    return float(np.vdot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second)))
