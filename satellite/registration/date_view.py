"""One date of a window, as the masks use it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from satellite.imagery.views import Picture
from satellite.registration.morphology import Plane
from satellite.registration.normalise import Gains


@dataclass(frozen=True, slots=True, eq=False)
class DateView:
    """One date of a window at the masks' resolution.

    Attributes:
        raw: float32 ``(h, w, 3 or 4)``, in the date's own radiometry.
        bands: float32 ``(h, w, 3 or 4)``, in the other date's radiometry.
        light: Mean of red, green and blue.
        least: The darkest of red, green and blue.
        most: The brightest of red, green and blue.
        raw_least: ``least`` in the date's own radiometry.
        scale: Grey levels of ``bands`` per grey level of the date's own, at most 1: where ``bands``
            are compressed, a difference between the dates is.
        tint: Difference of ``most`` and ``least``, the smaller of both radiometries: saturated
            pixels are white in the date's own radiometry only.
        metre: Pixels per metre.
        picture: The picture at full resolution.
    """

    raw: Plane
    bands: Plane
    light: Plane
    least: Plane
    most: Plane
    raw_least: Plane
    scale: float
    tint: Plane
    metre: float
    picture: Picture

    @classmethod
    def of(
        cls, picture: Picture, size: tuple[int, int], metre: float, gains: Gains | None
    ) -> DateView:
        """Makes the view of a picture.

        Args:
            picture: The picture in its own radiometry.
            size: Width and height of the view.
            metre: Pixels of the view per metre.
            gains: Gains that match the picture to the other date's radiometry.
        """
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        raw = small.astype(np.float32)
        if gains is None or not gains.changes:
            least, most = _bounds(raw)
            return cls(raw, raw, _light(raw), least, most, least, 1.0, most - least, metre, picture)
        bands = gains.apply(small).astype(np.float32)
        least, most = _bounds(bands)
        raw_least, raw_most = _bounds(raw)
        tint = np.minimum(most - least, raw_most - raw_least)
        scale = min(1.0, sum(gains.gain[:3]) / 3)
        light = _light(bands)
        return cls(raw, bands, light, least, most, raw_least, scale, tint, metre, picture)

    def finer(self, factor: int) -> tuple[Plane, float]:
        """``light`` up to ``factor`` times finer, as the picture allows; its pixels per metre."""
        height, width = self.light.shape
        wide = min(factor * width, self.picture.shape[1])
        high = min(factor * height, self.picture.shape[0])
        colours = np.ascontiguousarray(self.picture[..., :3])
        grey = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
        fine = cv2.resize(grey, (wide, high), interpolation=cv2.INTER_AREA)
        return np.asarray(fine, np.float32), self.metre * wide / width


def _bounds(bands: Plane) -> tuple[Plane, Plane]:
    """The darkest and the brightest of red, green and blue."""
    red, green, blue = (bands[..., band] for band in range(3))
    least = np.minimum(np.minimum(red, green), blue)
    return least, np.maximum(np.maximum(red, green), blue)


def _light(bands: Plane) -> Plane:
    """Mean of red, green and blue."""
    third = np.float32(1 / 3)
    return np.asarray((bands[..., 0] + bands[..., 1] + bands[..., 2]) * third, np.float32)
