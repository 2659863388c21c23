"""How well a plate can be read in a picture: large, sharp, and not washed out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.plates.detector import FoundPlate
from models.plates.rectify import one_line

# Height from which more pixels add nothing: the reader's input has 32.
_ENOUGH_PX = 32.0
# Grey levels from which a pixel is washed out, and below which it is lost in the dark.
_WASHED_OUT, _DARK = 250, 5


def quality(image: npt.NDArray[np.uint8], plate: FoundPlate) -> float:
    """Measure how well a plate can be read.

    The measure is the contrast of strokes (root of the mean squared Sobel gradient: Krotkov,
    Focusing, IJCV 1987), for the plate's size and for what is neither washed out nor black. It
    compares pictures of one plate; its scale means nothing else.

    Args:
        image: BGR picture.
        plate: A plate in it.

    Returns:
        0 or more; larger is better.
    """
    grey = cv2.cvtColor(one_line(image, plate.corners), cv2.COLOR_BGR2GRAY)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    sharp = float(np.sqrt(np.mean(across * across + down * down)))
    usable = float(np.mean((grey < _WASHED_OUT) & (grey > _DARK)))
    return sharp * usable * min(1.0, plate.height_px / _ENOUGH_PX)
