"""Map furniture: scale bar, north arrow and date, drawn on a picture from above."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from cv_engine.evidence.media.annotate import BOLD, STRIP_BGR, TITLE_BGR, font, text_width
from cv_engine.evidence.media.still import Image

#: Lengths of scale bars, in metres.
BAR_LENGTHS_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

_BAR_SHARE = 0.25  # of the picture's width: as much as a bar takes at most
_TEXT_SHARE = 1 / 32  # letter size per picture width
_LEAST_TEXT_PX = 12  # smaller letters are not legible
_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class GroundScale:
    """Size and orientation of a picture's pixels on the ground.

    Attributes:
        across_m: Width of a pixel on the ellipsoid, metres.
        down_m: Height of a pixel, metres.
        north: Unit vector to true north in the picture, x right and y down.
    """

    across_m: float
    down_m: float
    north: tuple[float, float]

    @classmethod
    def of(cls, transform: Affine, crs: CRS, width: int, height: int) -> GroundScale:
        """Measures the scale in the middle of a picture.

        Args:
            transform: From the picture's pixels to coordinates of ``crs``.
            crs: The picture's coordinate reference system.
            width: Pixels.
            height: Pixels.
        """
        x, y = width / 2, height / 2
        points = [transform @ at for at in ((0, y), (width, y), (x, 0), (x, height))]
        lon, lat = transform_points(crs, CRS.from_epsg(4326), *zip(*points, strict=True))
        across = _GEOD.inv(lon[0], lat[0], lon[1], lat[1])[2] / width
        azimuth, _, down = _GEOD.inv(lon[3], lat[3], lon[2], lat[2])  # of the way up the picture
        turn = math.radians(azimuth)
        return cls(float(across), float(down / height), (-math.sin(turn), -math.cos(turn)))


def bar_length_m(across_m: float) -> int:
    """Chooses the length of a scale bar: the longest round one that fits.

    Args:
        across_m: Width of the picture on the ground, metres.
    """
    return max(
        (length for length in BAR_LENGTHS_M if length <= _BAR_SHARE * across_m),
        default=BAR_LENGTHS_M[0],
    )


def header(
    width: int, text: str, pixel_m: float, north: tuple[float, float], size: int | None = None
) -> Image:
    """Draws the band above a picture: a text, a scale bar and an arrow to the north.

    The band hides nothing of the picture.

    Args:
        width: Width of the picture, pixels.
        text: Title of the picture.
        pixel_m: Width of the picture's pixels on the ground, metres.
        north: Unit vector to true north in the picture, x right and y down.
        size: Size of the letters, pixels; ``None``: derived from the picture's width.

    Returns:
        uint8 BGR of the picture's width.
    """
    size = size or max(_LEAST_TEXT_PX, round(width * _TEXT_SHARE))
    pad, height = round(size * 0.6), round(size * 2.1)
    band = np.full((height, width, 3), STRIP_BGR, np.uint8)
    base = round((height + 0.72 * size) / 2)
    cv2.putText(band, text, (pad, base), TITLE_BGR, font(), size, BOLD)
    right = _draw_north(band, width - pad, size, north)
    _draw_scale(band, right - pad, round(size * 0.8), width, pixel_m)
    return band


def _draw_north(band: Image, right: int, size: int, north: tuple[float, float]) -> int:
    """Draws the arrow and its letter up to the column ``right``; returns their first column."""
    height = band.shape[0]
    wide = text_width("N", size, BOLD)
    base = round((height + 0.72 * size) / 2)
    cv2.putText(band, "N", (right - wide, base), TITLE_BGR, font(), size, BOLD)
    radius = 0.42 * height
    centre = np.array([right - wide - size * 0.35 - radius * 0.5, height / 2])
    up, side = np.array(north), np.array([-north[1], north[0]])
    head = [up, 0.5 * side - 0.8 * up, -0.4 * up, -0.5 * side - 0.8 * up]
    points = np.array([centre + radius * corner for corner in head]).round().astype(np.int32)
    cv2.fillPoly(band, [points], TITLE_BGR, cv2.LINE_AA)
    return round(float(centre[0] - radius))


def _draw_scale(band: Image, right: int, size: int, width: int, pixel_m: float) -> None:
    """Draws a scale bar that ends at the column ``right``, and its length above it."""
    length_m = bar_length_m(width * pixel_m)
    text = f"{length_m} m" if length_m < 1000 else f"{length_m // 1000} km"
    long, tick = round(length_m / pixel_m), max(2, size // 8)
    left, base = right - long, band.shape[0] - round(size * 0.6)
    middle = (left + right - text_width(text, size, BOLD)) // 2
    cv2.putText(band, text, (middle, base - round(size * 0.6)), TITLE_BGR, font(), size, BOLD)
    cv2.rectangle(band, (left, base - tick), (right - 1, base), TITLE_BGR, cv2.FILLED)
    for x in (left, right - tick):  # ends that mark the length exactly
        cv2.rectangle(band, (x, base - 3 * tick), (x + tick - 1, base), TITLE_BGR, cv2.FILLED)
