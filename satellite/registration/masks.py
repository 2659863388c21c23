"""Where two images cannot be compared: nodata, cloud, its shadow, haze, snow and water.

The rules know 8-bit red, green and blue, near infrared at best, and the other date: no thermal or
cirrus band, on which the masks of large missions rest. What they use instead:

* A **cloud** is white, lifts even the darkest of its surroundings (the dark channel: He, Sun and Tang
  2011, IEEE Trans. PAMI 33), is smooth, has soft edges, and the other date lacks it. Roofs, yards
  and sand have sharp edges or colour.
* Its **shadow** has the cloud's shape, lies off it in the same direction as the shadows of all clouds in
  sight, and is darker than the other date (after Zhu and Woodcock 2012, Remote Sensing of Environment 118).
* **Haze** is a veil: the ground of the other date is seen through it, paler and brighter.
* **Snow** is bright, bluish-white, in one image only, and much of what is in sight.
* **Water** is smooth and dark at both dates, with little near infrared, or blue without that band.

Limits, known. Not told: a cloud over white ground; clouds at both dates in one place; clouds smaller than
about 30 m, and some of 40 m; shadows whose cloud is out of the window; a thin veil over ground that changed
altogether; snow in patches; turbid water without near infrared. Told wrongly: white yards of 50 m
and more on images of 2 m, whose edges are no sharper than a small cloud's; pale bare fields on images of 5 m
and more; and dark fields as the shadows of these.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture, Quality
from satellite.registration.cloud_shadows import (
    DIRECTIONS,
    away_from_sun,
    cloud_shadow,
    shadow_votes,
)
from satellite.registration.clouds import cloud_around, cloud_core
from satellite.registration.date_view import DateView
from satellite.registration.morphology import (
    Mask,
    closed,
    dilated,
    holds_disc,
    local_deviation,
    odd_square,
    opened,
)
from satellite.registration.normalise import Gains, Sample

#: Directions in which clouds cast shadows at the earlier and the later date, radians; ``None``: not known.
ShadowDirections = tuple[float | None, float | None]
UNKNOWN: ShadowDirections = (None, None)

# What should be read around a window for its masks to be those of a larger one, metres: half a cloud,
# enough to see its soft edge.
MARGIN_M = 60.0
# Masks are worked out on pixels so many times coarser, but not coarser than so many metres.
_COARSER = 4
_COARSEST_M = 4.5

# Haze: window in which the two images are compared, contrast left, correlation of the two, lift of the
# dark channel, and the least radius of a veil.
_HAZE_M = 40.0
_HAZE_CONTRAST = 0.8
_HAZE_CORRELATION = 0.6
_HAZE_LIFT = 25.0
_DARK_M = 10.0
_HAZE_CORE_M = 40.0

# Snow: darkest of the bands, lead of blue over red, how much brighter than at the other date, and
# the least share of a window and area that it covers.
_SNOW_LEVEL = 185.0
_SNOW_BLUE = -4.0
_SNOW_LIFT = 50.0
_SNOW_SHARE = 0.2
_SNOW_M2 = 10_000.0

# Water: brightness, standard deviation and the side of the squares in which it is taken, lead of blue or
# green over red, near infrared, and the radius of the largest disc that must fit into it.
_WATER_LEVEL = 110.0
_WATER_SMOOTH = 5.0
_SMOOTH_M = 8.0
_WATER_BLUE = 6.0
_WATER_NIR = 70.0
_WATER_M = 12.0


def quality_of(
    before: Picture,
    after: Picture,
    valid_before: NDArray[np.bool_],
    valid_after: NDArray[np.bool_],
    resolution_m: float,
    *,
    gains: Gains | None = None,
    away: ShadowDirections = UNKNOWN,
) -> Picture:
    """Tells where a window cannot be compared, and why.

    Args:
        before: uint8 ``(height, width, 3 or 4)``: red, green, blue, near infrared where known.
        after: The same of the later date, in its own light.
        valid_before: Which pixels of ``before`` hold data.
        valid_after: Which pixels of ``after`` hold data.
        resolution_m: Side of a pixel on the ground, metres.
        gains: What brings ``after`` to the light of ``before``, where they differ.
        away: Where clouds cast their shadows at either date, see :func:`shadow_directions`.

    Returns:
        uint8 ``(height, width)`` of :class:`~satellite.views.Quality`.
    """
    height, width = valid_before.shape
    valid = valid_before & valid_after
    coarse = _classify(*_date_views(before, after, valid, resolution_m, gains), away)
    quality: Picture
    if coarse.any():
        quality = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST))
    else:
        quality = np.zeros((height, width), np.uint8)
    if not valid.all():
        quality[~valid] = Quality.NODATA
    return quality


def shadow_directions(
    samples: Iterable[Sample], resolution_m: float, gains: Gains | None
) -> ShadowDirections:
    """Where clouds cast their shadows, which is the same all over an image.

    Args:
        samples: Windows of the two dates, some hundred metres wide, and where they hold data.
        resolution_m: Side of their pixels on the ground, metres.
        gains: What brings the later date to the light of the earlier one, where they differ.

    Returns:
        Directions at the earlier and the later date, radians from the right downwards; ``None`` where no
        cloud casts a shadow in sight.
    """
    votes = np.zeros((2, DIRECTIONS), np.float32)
    for before, after, valid in samples:
        first, second, held = _date_views(before, after, valid, resolution_m, gains)
        for date, (view, other) in enumerate(((first, second), (second, first))):
            core = cloud_core(view, other, held)
            if core.any():
                clear = held & (1 - cloud_around(view, other, core))
                votes[date] += shadow_votes(view, other, core, clear)
    return away_from_sun(votes[0]), away_from_sun(votes[1])


def _date_views(
    before: Picture,
    after: Picture,
    valid: NDArray[np.bool_],
    resolution_m: float,
    gains: Gains | None,
) -> tuple[DateView, DateView, Mask]:
    """Both dates, coarser, and where they hold data."""
    height, width = valid.shape
    factor = int(np.clip(_COARSEST_M / resolution_m, 1, _COARSER))
    size = (max(1, width // factor), max(1, height // factor))
    metre = 1.0 / (resolution_m * factor)
    held = cv2.resize(valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return (
        DateView.of(before, size, metre, None),
        DateView.of(after, size, metre, gains),
        np.asarray(held, np.uint8),
    )


def _classify(first: DateView, second: DateView, held: Mask, away: ShadowDirections) -> Mask:
    """Quality at the coarser resolution."""
    quality = np.zeros(held.shape, np.uint8)
    quality[_water(first, second) > 0] = Quality.WATER
    clear = held
    for view, other, direction in ((first, second, away[0]), (second, first, away[1])):
        core = cloud_core(view, other, held)
        if core.any():
            cloud = cloud_around(view, other, core)
            shadow = cloud_shadow(view, other, core, held & (1 - cloud), direction)
            quality[shadow > 0] = Quality.SHADOW
            quality[cloud > 0] = Quality.CLOUD
            clear = clear & (1 - cloud)
    for kind, rule in ((Quality.SNOW, _snow), (Quality.HAZE, _haze)):
        for view, other in ((first, second), (second, first)):
            found = rule(view, other, clear)
            quality[(found > 0) & (quality != Quality.CLOUD)] = kind
    return quality


def _haze(view: DateView, other: DateView, held: Mask) -> Mask:
    """A veil: the other date's ground seen through, paler, and its darkest places brighter."""
    radius = max(1, round(_DARK_M * view.metre / 2))
    element = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * radius + 1, 2 * radius + 1))
    lift = cv2.erode(view.least, element) - cv2.erode(other.least, element)
    veiled = (lift > _HAZE_LIFT).astype(np.uint8) & held
    if not holds_disc(veiled, _HAZE_CORE_M * view.metre):
        return np.zeros_like(held)
    wide = odd_square(_HAZE_M * view.metre)
    mean, mean_other = cv2.blur(view.light, wide), cv2.blur(other.light, wide)
    both = cv2.blur(view.light * other.light, wide) - mean * mean_other
    own = np.maximum(cv2.blur(view.light**2, wide) - mean**2, 1e-3)
    others = np.maximum(cv2.blur(other.light**2, wide) - mean_other**2, 1e-3)
    seen_through = (both > _HAZE_CORRELATION * np.sqrt(own * others)) & (
        own < _HAZE_CONTRAST**2 * others
    )
    veil = veiled & seen_through.astype(np.uint8)
    if not holds_disc(veil, _HAZE_CORE_M * view.metre / 2):
        return np.zeros_like(held)
    veil = closed(veil, _DARK_M * view.metre)
    return opened(veil, _HAZE_CORE_M * view.metre)


def _snow(view: DateView, other: DateView, held: Mask) -> Mask:
    snow = (view.least > _SNOW_LEVEL) & (view.bands[..., 2] - view.bands[..., 0] > _SNOW_BLUE)
    snow &= (view.least - other.least > _SNOW_LIFT) & (held > 0)
    covered = float(snow.sum())
    if covered < max(_SNOW_SHARE * float(held.sum()), _SNOW_M2 * view.metre**2):
        return np.zeros_like(held)
    return dilated(snow.astype(np.uint8), 1.0)


def _water(first: DateView, second: DateView) -> Mask:
    water = np.ones(first.light.shape, bool)
    for view in (first, second):
        red, green, blue = (view.raw[..., band] for band in range(3))
        water &= (red + green + blue) < 3 * _WATER_LEVEL
        if view.raw.shape[2] > 3:
            infrared = view.raw[..., 3]
            water &= (infrared < _WATER_NIR) & (infrared < green)
        else:
            water &= np.maximum(green, blue) - red > _WATER_BLUE
            water &= blue - red > 0
    if not holds_disc(water.astype(np.uint8), _WATER_M * view.metre):
        return np.zeros(water.shape, np.uint8)
    smooth = water.copy()
    for view in (first, second):
        smooth &= local_deviation(view.light, _SMOOTH_M * view.metre) < _WATER_SMOOTH
    middle = opened(smooth.astype(np.uint8), _WATER_M * view.metre)
    return dilated(middle, _SMOOTH_M * view.metre) & water.astype(np.uint8)  # up to the shore
