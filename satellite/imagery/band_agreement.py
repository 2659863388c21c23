"""Whether the bands of two dates are in one order, where that of one date is a guess."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import structlog
from rasterio.windows import Window

from satellite.imagery.band_order import same_order
from satellite.imagery.overlap import common_grid
from satellite.imagery.scene import Scene

# Side of the window in which the colours of two dates are compared, and of the squares that are
# averaged, pixels.
_COMPARED_PX = 1024
_BLUR_PX = 5


def is_reversed(scene: Scene, known: Scene) -> bool:
    """Whether an image whose order of bands is a guess has red and blue the other way round.

    Args:
        scene: The image.
        known: An image of the same ground, whose order is known.

    Raises:
        SatelliteError: An image cannot be read, or the two do not overlap.
    """
    if scene.order_is_certain or scene.roles["red"] == scene.roles["blue"]:
        return False
    grid = common_grid(scene, known)
    side = min(_COMPARED_PX, grid.width, grid.height)
    window = Window((grid.width - side) // 2, (grid.height - side) // 2, side, side)
    colours = []
    for image in (scene, known):
        values, _ = image.read(grid, window, ["red", "blue"])
        colours.append(cv2.blur(np.moveaxis(values, 0, 2), (_BLUR_PX, _BLUR_PX)))
    first, second = (
        colour[::_BLUR_PX, ::_BLUR_PX].reshape(-1, 2).T.astype(np.float64) for colour in colours
    )
    if same_order(first, second) is not False:
        return False
    _say_exchanged(scene.label)
    return True


@cache
def _say_exchanged(label: str) -> None:
    """Warns once per image, however often the image is opened."""
    structlog.get_logger(__name__).warning(
        "red and blue are exchanged, which fits the other date: if that is wrong, give "
        "--roles (in the configuration: roles)",
        image=label,
    )
