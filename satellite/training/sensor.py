"""Simulates pictures of a coarser sensor, on the network's grid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from satellite.imagery.views import Picture

# Range of the blur beyond averaging over a pixel: standard deviation of the point spread function,
# sensor pixels. With more, a picture no longer has its nominal resolution.
_BLUR_PX = (0.0, 0.6)
# Range of the residual noise in a good 8-bit product, grey levels.
_NOISE = (0.0, 3.0)
# Range of the pixel size relative to the nominal one: off-nadir views and resampled products.
_RESOLUTION = (0.9, 1.2)


@dataclass(frozen=True, slots=True)
class Sensor:
    """Resolution, blur and noise of a sensor.

    Attributes:
        resolution_m: Side of a pixel on the ground, metres.
        blur_px: Standard deviation of the point spread function beyond the pixel, sensor pixels.
        noise: Standard deviation of the noise, grey levels.
    """

    resolution_m: float
    blur_px: float = 0.0
    noise: float = 0.0

    def varied(self, rng: np.random.Generator) -> Sensor:
        """A sensor with random deviations from the nominal one."""
        return Sensor(
            self.resolution_m * rng.uniform(*_RESOLUTION),
            rng.uniform(*_BLUR_PX),
            rng.uniform(*_NOISE),
        )

    def degraded(self) -> Sensor:
        """The sensor with the most blur and noise that still has this resolution."""
        return Sensor(self.resolution_m, _BLUR_PX[1], _NOISE[1])

    def simulate(
        self,
        picture: Picture,
        pixel_m: float,
        grid_m: float,
        rng: np.random.Generator | None = None,
    ) -> Picture:
        """Degrades a picture to this sensor and resamples it onto the network's grid.

        Each sensor pixel is the mean over its ground, blurred by the point spread function; the
        grid is then interpolated bicubically, as for real images.

        Args:
            picture: uint8 ``(height, width, 3)``.
            pixel_m: Side of a pixel, metres; pictures no finer than the sensor are not degraded.
            grid_m: Side of a pixel of the network's grid, metres.
            rng: Source of the noise; no noise without it.

        Returns:
            uint8 ``(height, width, 3)`` of the same ground, on the grid.
        """
        height, width = picture.shape[:2]
        if self.resolution_m > pixel_m:
            sigma = self.blur_px * self.resolution_m / pixel_m
            if sigma > 0:
                picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)
            coarse = resized(
                picture, *shape_on((height, width), pixel_m, self.resolution_m), cv2.INTER_AREA
            )
            picture = coarse if rng is None else _noisy(coarse, self.noise, rng)
        return resized(picture, *shape_on((height, width), pixel_m, grid_m), cv2.INTER_CUBIC)


def shape_on(shape: tuple[int, int], pixel_m: float, other_m: float) -> tuple[int, int]:
    """Height and width of the same ground in pixels of another size, at least 1."""
    height, width = (max(1, round(side * pixel_m / other_m)) for side in shape)
    return height, width


def resized(picture: Picture, height: int, width: int, how: int) -> Picture:
    """Resizes a picture by one of OpenCV's interpolations."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _noisy(picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    noise = rng.normal(0.0, sigma, picture.shape) if sigma > 0 else 0.0
    return np.asarray(np.clip(picture + noise, 0, 255).round(), np.uint8)
