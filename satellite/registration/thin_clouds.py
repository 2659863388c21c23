"""Finds thin clouds: a veil that lifts even the darkest ground, and thins out towards its edge.

Ground shows through a thin cloud, so that it is neither smooth nor soft-edged as thick ones are.
But it adds light to the darkest pixel of every neighbourhood (the dark channel: He, Sun and Tang
2011, IEEE Trans. PAMI 33), and more in its middle than at its rim. Pale ground is as bright at its
edge as in its middle.
"""

from __future__ import annotations

import cv2
import numpy as np

from satellite.registration.date_view import DateView
from satellite.registration.morphology import (
    Mask,
    Plane,
    closed,
    holds_disc,
    odd_square,
    opened,
)

# Side of the neighbourhoods, metres; least dark channel, and least lift over the other date, or
# over the darkest share of the date itself, grey levels.
_NEAR_M = 10.0
_LEVEL = 105.0
_LIFT = 40.0
_DARKEST = 0.1
# Largest difference of the bands over brightness, of means over a neighbourhood: sand has more.
_WHITE = 0.12
# Radius of the disc that must fit into a thin cloud, and width of the gaps that are closed, metres.
_LEAST_M = 15.0
_GAP_M = 5.0
# Width of the rim, and depth of the middle, metres; the most of the lift in the middle that the rim
# may have; the percentile that stands for each, and the fewest pixels of the middle.
_RIM_M = 8.0
_DEEP_M = 16.0
_RATIO = 0.86
_PERCENTILE = 75
_LEAST_PX = 4
# Coarsest pixels, metres: at 5 m fields fade like clouds.
_COARSEST_M = 4.9


def thin_cloud(view: DateView, other: DateView | None, held: Mask) -> Mask:
    """Finds thin clouds.

    Args:
        view: The date.
        other: The other date; ``None``: by the date alone, with pale ground among it.
        held: Mask of the pixels that are valid at both dates.
    """
    metre = view.metre
    none = np.zeros_like(held)
    if metre * _COARSEST_M < 1 or not held.any():
        return none
    dark = _dark_channel(view.raw_least, metre)
    if other is None:
        lift = dark - np.float32(np.quantile(dark[held > 0], _DARKEST))
    else:
        lift = _dark_channel(view.least, metre) - _dark_channel(other.least, metre)
        lift = lift / np.float32(view.scale)
    near = odd_square(_NEAR_M * metre)
    white = cv2.blur(view.tint, near) < _WHITE * cv2.blur(view.most, near)
    like = ((dark > _LEVEL) & (lift > _LIFT) & white & (held > 0)).astype(np.uint8)
    if not holds_disc(like, _LEAST_M * metre):
        return none
    veil = opened(closed(like, _GAP_M * metre), _LEAST_M * metre)
    return _thinning_out(veil, lift, like, metre)


def _dark_channel(least: Plane, metre: float) -> Plane:
    """The darkest value of each neighbourhood."""
    radius = max(1, round(_NEAR_M * metre / 2))
    element = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.erode(least, element), np.float32)


def _thinning_out(veil: Mask, lift: Plane, like: Mask, metre: float) -> Mask:
    """The blobs of a mask whose lift decreases towards their edge within the window."""
    count, labels = cv2.connectedComponents(veil, connectivity=8)
    padded = cv2.copyMakeBorder(veil, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    keep = np.zeros(count, np.bool_)
    for blob in range(1, count):
        here = (labels == blob) & (like > 0)
        rim, middle = here & (inside <= _RIM_M * metre), here & (inside > _DEEP_M * metre)
        if middle.sum() < _LEAST_PX:
            continue
        least, most = (
            float(np.percentile(lift[part], _PERCENTILE)) if part.any() else 0.0
            for part in (rim, middle)
        )
        keep[blob] = least <= _RATIO * most
    return np.asarray(keep[labels], np.uint8)
