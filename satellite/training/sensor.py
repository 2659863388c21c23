"""What a coarser sensor would have seen of a place, on the grid on which the network works."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from satellite.imagery.views import Picture

# How sensors and their processing differ from plain averaging over a pixel, as standard deviations of
# the point spread, pixels of the sensor. More and the picture is no longer of its nominal resolution.
_BLUR_PX = (0.0, 0.6)
# Noise that remains in a good 8-bit product, grey levels.
_NOISE = (0.0, 3.0)
# Off nadir and in resampled products, pixels cover more or less ground than the sensor's name says.
_RESOLUTION = (0.9, 1.2)


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor, as far as its pictures differ from sharper ones.

    Attributes:
        resolution_m: Side of its pixels on the ground, metres.
        blur_px: Standard deviation of its point spread beyond the pixel, its own pixels.
        noise: Standard deviation of its noise, grey levels.
    """

    resolution_m: float
    blur_px: float = 0.0
    noise: float = 0.0

    def varied(self, rng: np.random.Generator) -> Sensor:
        """A sensor of nearly that resolution, as they come."""
        return Sensor(
            self.resolution_m * rng.uniform(*_RESOLUTION),
            rng.uniform(*_BLUR_PX),
            rng.uniform(*_NOISE),
        )

    def degraded(self) -> Sensor:
        """The most blurred and noisy sensor that still has this resolution."""
        return Sensor(self.resolution_m, _BLUR_PX[1], _NOISE[1])

    def simulate(
        self,
        picture: Picture,
        pixel_m: float,
        grid_m: float,
        rng: np.random.Generator | None = None,
    ) -> Picture:
        """Degrades a picture to this sensor and brings it onto the network's grid.

        Each pixel of the sensor is the mean over the ground that it covers, blurred by the point
        spread; between them the grid is filled bicubically, as the program does with real images.

        Args:
            picture: uint8 ``(height, width, 3)``.
            pixel_m: Side of its pixels, metres; where they are no finer than the sensor's, nothing is
                degraded.
            grid_m: Side of the pixels of the network's grid, metres.
            rng: Source of the noise; without it there is none.

        Returns:
            uint8 picture of the same ground.
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
    """A picture at another size, by one of OpenCV's interpolations."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _noisy(picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    noise = rng.normal(0.0, sigma, picture.shape) if sigma > 0 else 0.0
    return np.asarray(np.clip(picture + noise, 0, 255).round(), np.uint8)
