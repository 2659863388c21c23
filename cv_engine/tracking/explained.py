"""Which pixels of the small picture the detector's boxes explain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Box, Mask, Region

# Part of a box's size by which it is grown before it explains pixels: feet, mirrors, shadows.
_MARGIN = 0.12
# Part of a box from which it shows the ground, and no person who stands there.
_BARE = 0.5


def covered(boxes: NDArray[np.float32], scale: float, shape: tuple[int, ...]) -> Mask:
    """Pixels of the small picture under grown boxes of the frame.

    Args:
        boxes: Pixels of the frame, xyxy, shape (n, 4).
        scale: Pixels of the small picture per pixel of the frame.
        shape: Height and width of the small picture.
    """
    pixels = np.zeros(shape, np.bool_)
    for x1, y1, x2, y2 in boxes * scale:
        dx, dy = _MARGIN * (x2 - x1) + 1, _MARGIN * (y2 - y1) + 1
        rows = slice(max(0, int(y1 - dy)), max(0, round(y2 + dy)))
        columns = slice(max(0, int(x1 - dx)), max(0, round(x2 + dx)))
        pixels[rows, columns] = True
    return pixels


def stands(background: Background, box: Box) -> bool:
    """Whether what fills a box of the small picture came to rest there before this sample.

    In the dark a passer-by may resemble the ground, which has always been there.
    """
    is_still = background.still_since(box) < background.time_s
    return is_still and background.bare_share(box) < _BARE


def is_beside(region: Region, named: Mask) -> bool:
    """Whether something that the detector named stands within a region's size of it."""
    x1, y1, x2, y2 = region.box
    reach = max(x2 - x1, y2 - y1)
    around = (slice(max(0, y1 - reach), y2 + reach), slice(max(0, x1 - reach), x2 + reach))
    return bool(named[around].any())
