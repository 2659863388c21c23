"""Colours of the ground that tell roofs from soil and plants, whatever the light."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture

Plane = NDArray[np.float32]

# Side of a pixel on which objects are looked for, metres: the roof of a small house has 50 of them;
# finer pixels show tiles and cars, and cost four times as much.
WORKING_M: Final = 1.0
# A picture this much finer than that is averaged down, a coarser one taken as it is.
_AVERAGED_BELOW: Final = 0.75
# Blur of brightness and of colour, metres (standard deviation): compressed pictures keep colour
# at half the resolution of brightness.
_LIGHT_BLUR_M: Final = 0.5
_COLOUR_BLUR_M: Final = 0.8
# Keeps ratios of dark pixels, which are mostly noise and blue light of the sky, small; grey levels.
_DARK: Final = 10.0
# What the picture as a whole is compared with, percentiles: its middle brightness and green, and
# its soil as the yellow that 30 % of it exceed (towns have more grey than soil).
_REFERENCE: Final = (50.0, 70.0, 50.0, 50.0)
# Every so many rows and columns are enough for a percentile.
_REFERENCE_STEP: Final = 3
# What the vegetation index (near infrared) counts against the green index (visible light). It is the
# clearer of the two: no roof reaches 0.3, so that is to count for as much as the greenest lawn does.
_NDVI_TO_GREEN: Final = 0.6


def to_working_resolution(picture: Picture, resolution_m: float) -> tuple[Picture, float]:
    """Brings a fine picture to the resolution on which objects are looked for.

    Args:
        picture: uint8 ``(height, width, bands)``.
        resolution_m: Side of its pixels, metres.

    Returns:
        The picture, averaged over areas, and the side of its pixels in metres.
    """
    if resolution_m >= _AVERAGED_BELOW * WORKING_M:
        return picture, resolution_m
    height, width = picture.shape[:2]
    scale = resolution_m / WORKING_M
    size = max(1, round(width * scale)), max(1, round(height * scale))
    averaged = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, np.uint8), WORKING_M


def resized_to(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Brings a plane of the working picture to ``(height, width)`` of the picture it was made of."""
    if plane.shape == shape:
        return plane
    resized = cv2.resize(plane, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def indices(picture: Picture, resolution_m: float) -> tuple[Plane, Plane, Plane, Plane]:
    """Describes the colour of each pixel by ratios of the bands.

    Args:
        picture: uint8 ``(height, width, bands)``: red, green, blue and perhaps near infrared.
        resolution_m: Side of its pixels, metres.

    Returns:
        float32 ``(height, width)`` each: logarithm of brightness; soil (yellow against blue); plants
        (green, or the vegetation index where that is clearer); red against green.
    """
    bands = picture.astype(np.float32)
    light = np.log(_blurred(bands[..., :3].mean(axis=2), _LIGHT_BLUR_M / resolution_m) + _DARK)
    red, green, blue, *infrared = (
        _blurred(np.ascontiguousarray(bands[..., i]), _COLOUR_BLUR_M / resolution_m)
        for i in range(bands.shape[2])
    )
    total = red + green + blue + 3 * _DARK
    plants = (2 * green - red - blue) / total
    if infrared:
        index = (infrared[0] - red) / (infrared[0] + red + _DARK)
        plants = np.maximum(plants, _NDVI_TO_GREEN * index)
    return light, ((red + green) / 2 - blue) / total, plants, (red - green) / total


def colours(
    picture: Picture, resolution_m: float, clear: NDArray[np.bool_]
) -> tuple[Plane, Plane, Plane, Plane]:
    """Describes the colour of each pixel against the rest of its picture.

    The haze, the sun and the season of a date move all pixels alike; what is left is whether one
    is brighter, more like soil, greener or redder than its surroundings.

    Args:
        picture: As for :func:`indices`.
        resolution_m: Side of its pixels, metres.
        clear: bool ``(height, width)``: what is part of the reference.

    Returns:
        The planes of :func:`indices` less their reference: soil is 0 for soil, and less for what is
        grey or blue.
    """
    step = slice(None, None, _REFERENCE_STEP)
    sampled = clear[step, step]
    if not sampled.any():
        sampled = np.ones_like(sampled)
    light, soil, plants, red = (
        plane - np.float32(np.percentile(plane[step, step][sampled], part))
        for plane, part in zip(indices(picture, resolution_m), _REFERENCE, strict=True)
    )
    return light, soil, plants, red


def _blurred(plane: Plane, sigma_px: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)
