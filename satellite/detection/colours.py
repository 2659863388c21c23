"""Colour indices that tell roofs from soil and plants under any light."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture

Plane = NDArray[np.float32]

# Pixel size at which objects are formed, metres: the roof of a small house has 50 such pixels;
# finer ones show tiles and cars, and cost four times as much.
WORKING_M: Final = 1.0
# Pictures finer than this share of it are averaged down; others are used as they are.
_AVERAGED_BELOW: Final = 0.75
# Blur of brightness and of colour, metres (standard deviation): compressed pictures store colour at
# half the resolution of brightness.
_LIGHT_BLUR_M: Final = 0.5
_COLOUR_BLUR_M: Final = 0.8
# Added to denominators: keeps ratios of dark pixels, mostly noise and blue skylight, small; grey
# levels.
_DARK: Final = 10.0
# Percentiles of the picture that are the reference: median brightness, plants and red; for soil,
# the yellow that 30 % of the picture exceed (towns have more grey than soil).
_REFERENCE: Final = (50.0, 70.0, 50.0, 50.0)
# Step of the rows and columns from which percentiles are computed.
_REFERENCE_STEP: Final = 3
# Weight of the vegetation index (near infrared) against the green index (visible light). The first
# is clearer: no roof reaches 0.3, which is to count as much as the greenest lawn.
_NDVI_TO_GREEN: Final = 0.6


def to_working_resolution(picture: Picture, resolution_m: float) -> tuple[Picture, float]:
    """Averages a fine picture down to the resolution at which objects are formed.

    Args:
        picture: uint8 ``(height, width, bands)``.
        resolution_m: Side of a pixel, metres.

    Returns:
        The picture, averaged by area where it was finer, and the side of its pixels in metres.
    """
    if resolution_m >= _AVERAGED_BELOW * WORKING_M:
        return picture, resolution_m
    height, width = picture.shape[:2]
    scale = resolution_m / WORKING_M
    size = max(1, round(width * scale)), max(1, round(height * scale))
    averaged = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, np.uint8), WORKING_M


def resized_to(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Resizes a plane of the working picture to ``(height, width)`` of the original picture."""
    if plane.shape == shape:
        return plane
    resized = cv2.resize(plane, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def indices(picture: Picture, resolution_m: float) -> tuple[Plane, Plane, Plane, Plane]:
    """Computes colour indices of each pixel from ratios of the bands.

    Args:
        picture: uint8 ``(height, width, bands)``: red, green, blue and optionally near infrared.
        resolution_m: Side of a pixel, metres.

    Returns:
        float32 ``(height, width)`` each: logarithm of brightness; soil (yellow against blue);
        plants (green, or the vegetation index where that is larger); red against green.
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
    """Computes colour indices of each pixel relative to the picture.

    Haze, sun and season shift all pixels alike; what remains is whether a pixel is brighter, more
    like soil, greener or redder than the rest.

    Args:
        picture: See :func:`indices`.
        resolution_m: Side of a pixel, metres.
        clear: bool ``(height, width)``: pixels from which the reference is taken.

    Returns:
        The planes of :func:`indices` minus their reference: soil is 0 for the local soil, and
        negative for grey and blue surfaces.
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
