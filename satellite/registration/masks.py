"""Masks of pixels that cannot be compared: nodata, cloud, cloud shadow, haze, snow and water.

The masks are derived from 8-bit red, green, blue, optional near infrared, and the other date,
without the thermal and cirrus bands of large missions:

* A **cloud** is white, lifts even the darkest of its surroundings (the dark channel: He, Sun and
  Tang 2011, IEEE Trans. PAMI 33), is smooth, has soft edges, and is missing at the other date.
  Roofs, yards and sand have sharp edges or colour. Brightness and whiteness are judged in each
  date's own radiometry, and what may be cloud by one date alone is left out where the light of the
  two dates is matched: clouds would make the later image as dark as the ground without them.
  A thin cloud lifts dark ground more in its middle than at its rim.
* A **cloud shadow** has the cloud's shape, is displaced in the same direction as all shadows in the
  scene, and is darker than the other date (after Zhu and Woodcock 2012, Remote Sensing of
  Environment 118).
* **Haze** is a veil through which the other date's ground is seen, paler and brighter.
* **Snow** is bright, bluish-white, present in one image only, and covers much of the window.
* **Water** is smooth and dark at both dates, with little near infrared, or blue without that band.

Known limits. Missed: a cloud over nothing but white ground; a cloud of one shape at both dates;
clouds smaller than about 30 m, and some of 40 m; shadows whose cloud is outside of the window; a
thin veil of even strength over ground that changed altogether, and veils narrower than 40 m;
patches of snow; turbid water without near infrared. False: white yards of 50 m and more on images
of 2 m, whose edges are no sharper than a small cloud's; pale bare fields on images of 5 m and more;
and dark fields as the shadows of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
from satellite.registration.clouds import cloud_around, cloud_core, possible_cloud
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

#: Directions in which clouds cast shadows at the earlier and the later date, radians; ``None``:
#: unknown.
ShadowDirections = tuple[float | None, float | None]
UNKNOWN: ShadowDirections = (None, None)


@dataclass(frozen=True, slots=True)
class Sky:
    """The sky over both dates.

    Attributes:
        away: Directions in which clouds cast shadows.
        cloud: Share of each image that is under cloud, 0 to 1.
    """

    away: ShadowDirections = UNKNOWN
    cloud: tuple[float, float] = (0.0, 0.0)


# Margin around a window that makes its masks agree with those of a larger window, metres: half a
# cloud, enough to see its soft edge.
MARGIN_M = 60.0
# Masks are computed at pixels coarser by this factor, up to this size in metres.
_COARSER = 4
_COARSEST_M = 4.5

# Width around possible clouds whose pixels say nothing about the light, metres.
_FRINGE_M = 20.0

# Haze: window of comparison, largest remaining contrast, least correlation of the two dates, lift
# of the dark channel and its window, and the least radius of a veil.
_HAZE_M = 40.0
_HAZE_CONTRAST = 0.8
_HAZE_CORRELATION = 0.6
_HAZE_LIFT = 25.0
_DARK_M = 10.0
_HAZE_CORE_M = 40.0

# Snow: least value of the darkest band, excess of blue over red, lift over the other date, and the
# least share of a window and area that snow covers.
_SNOW_LEVEL = 185.0
_SNOW_BLUE = -4.0
_SNOW_LIFT = 50.0
_SNOW_SHARE = 0.2
_SNOW_M2 = 10_000.0

# Water: largest brightness; largest standard deviation and the side of its squares; excess of blue
# or green over red; largest near infrared; and the radius of the disc that must fit into the water.
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
    """Finds where a window cannot be compared, and why.

    Args:
        before: uint8 ``(height, width, 3 or 4)``: red, green, blue, near infrared where known.
        after: The later date in its own radiometry, in the same form.
        valid_before: Valid mask of ``before``.
        valid_after: Valid mask of ``after``.
        resolution_m: Side of a pixel on the ground, metres.
        gains: Gains that match ``after`` to ``before``, where their radiometry differs.
        away: Directions of cloud shadows at both dates, see :func:`estimate_sky`.

    Returns:
        uint8 ``(height, width)`` of :class:`~satellite.imagery.views.Quality`.
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


def without_clouds(sample: Sample, resolution_m: float) -> Sample:
    """Excludes from a window what may be cloud at either date, in each date's own radiometry.

    Args:
        sample: Pictures of the two dates, and the mask of their valid pixels.
        resolution_m: Side of a pixel on the ground, metres.
    """
    before, after, valid = sample
    height, width = valid.shape
    views = _date_views(before, after, valid, resolution_m, None)
    cloud = possible_cloud(views[0], views[2]) | possible_cloud(views[1], views[2])
    if not cloud.any():
        return sample
    near = dilated(cloud, _FRINGE_M * views[0].metre)
    fine = cv2.resize(near, (width, height), interpolation=cv2.INTER_NEAREST)
    return before, after, valid & (np.asarray(fine) == 0)


def estimate_sky(samples: Iterable[Sample], resolution_m: float, gains: Gains | None) -> Sky:
    """Estimates what is the same all over an image: how much of it is under cloud, and the sun.

    Args:
        samples: Windows of the two dates, some hundred metres wide, and their valid masks.
        resolution_m: Side of a pixel on the ground, metres.
        gains: Gains that match the later date to the earlier one, where their radiometry differs.
    """
    votes = np.zeros((2, DIRECTIONS), np.float32)
    clouded, seen = [0, 0], 0
    for before, after, valid in samples:
        first, second, held = _date_views(before, after, valid, resolution_m, gains)
        seen += cv2.countNonZero(held)
        for date, (view, other) in enumerate(((first, second), (second, first))):
            core = cloud_core(view, other, held)
            if core.any():
                cloud = cloud_around(view, other, core)
                clouded[date] += cv2.countNonZero(cloud & held)
                votes[date] += shadow_votes(view, other, core, held & (1 - cloud))
    away = away_from_sun(votes[0]), away_from_sun(votes[1])
    return Sky(away, (clouded[0] / max(seen, 1), clouded[1] / max(seen, 1)))


def _date_views(
    before: Picture,
    after: Picture,
    valid: NDArray[np.bool_],
    resolution_m: float,
    gains: Gains | None,
) -> tuple[DateView, DateView, Mask]:
    """Both dates at the masks' resolution, and their common valid mask."""
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
    """The quality layer at the masks' resolution."""
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
    """Finds haze: the other date's ground, seen paler and with its darkest places brighter."""
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
