"""What lies between the street and the viewer: rain, snow, noise, encoder and burned-in text."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
_FIELDS = 5  # of noise, in turn and at random places


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor's noise.

    Attributes:
        seed: Of the noise.
        sigma: Standard deviation, levels.
        grain: Standard deviation of the noise's correlation, pixels: that of cameras' denoising.
    """

    seed: int
    sigma: float
    grain: float


class Noise:
    """Fields of a sensor's noise, larger than the picture."""

    def __init__(self, sensor: Sensor, size: tuple[int, int]) -> None:
        """Draws the fields for pictures of a width and height."""
        rng = np.random.default_rng(sensor.seed)
        self._fields = []
        for _ in range(_FIELDS):
            noise = rng.standard_normal((size[1] + 32, size[0] + 32), np.float32)
            if sensor.grain > 0.3:
                noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sensor.grain), np.float32)
            self._fields.append((noise * (sensor.sigma / noise.std())).round().astype(np.int16))

    def add(self, luma: Luma, rng: np.random.Generator) -> Luma:
        """The luminance with noise."""
        top, left, which = (int(n) for n in rng.integers((32, 32, _FIELDS)))
        field = self._fields[which][top : top + luma.shape[0], left : left + luma.shape[1]]
        return np.asarray(cv2.add(luma, field, dtype=cv2.CV_8U), np.uint8)


@dataclass(frozen=True, slots=True)
class Rain:
    """Streaks of rain.

    Attributes:
        count: Streaks in each picture.
        length: Of a streak, pixels.
        slant: Pixels to the right for each pixel down.
        level: Brightness of a streak, levels.
    """

    count: int
    length: float
    slant: float
    level: int

    def add(self, luma: Luma, rng: np.random.Generator) -> Luma:
        """The luminance with streaks."""
        height, width = luma.shape
        streaks = np.zeros_like(luma)
        starts = rng.random((self.count, 2)) * (width, height)
        lengths = self.length * rng.uniform(0.4, 1.3, self.count)
        ends = starts + np.stack([lengths * self.slant, lengths], axis=1)
        lines = np.rint(np.stack([starts, ends], axis=1)).astype(np.int32)
        cv2.polylines(streaks, list(lines), False, self.level, 1 + width // 1200, cv2.LINE_AA)
        return np.asarray(cv2.add(luma, streaks), np.uint8)


@dataclass(frozen=True, slots=True)
class Snow:
    """Flakes of snow.

    Attributes:
        count: Flakes in each picture.
        radius: Of the largest, pixels.
        level: Brightness, levels.
    """

    count: int
    radius: float
    level: int

    def add(self, luma: Luma, rng: np.random.Generator) -> Luma:
        """The luminance with flakes."""
        height, width = luma.shape
        flakes = np.zeros_like(luma)
        places = (rng.random((self.count, 2)) * (width, height)).astype(int)
        sizes = np.maximum(1, rng.random(self.count) ** 3 * self.radius).astype(int)
        for (x, y), radius in zip(places.tolist(), sizes.tolist(), strict=True):
            cv2.circle(flakes, (x, y), radius, self.level, cv2.FILLED, cv2.LINE_AA)
        return np.asarray(cv2.max(luma, flakes), np.uint8)


@dataclass(frozen=True, slots=True)
class Pumping:
    """Detail that is lost after each key frame and returns with the next.

    Attributes:
        period_s: Between key frames.
        blur: Standard deviation of the blur, pixels.
        share: Largest share of the blurred picture.
    """

    period_s: float
    blur: float
    share: float

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance as sharp as at that moment."""
        share = self.share * (1 - time_s % self.period_s / self.period_s)
        blurred = cv2.GaussianBlur(luma, (0, 0), self.blur)
        return np.asarray(cv2.addWeighted(luma, 1 - share, blurred, share, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class Clock:
    """Date and time burned into the picture.

    Attributes:
        at_top: Whether the text is at the top, not at the bottom.
        boxed: Whether it has a black ground.
        height: Of the text, pixels.
    """

    at_top: bool
    boxed: bool
    height: int

    def draw(self, luma: Luma, time_s: float) -> Luma:
        """The luminance with the text."""
        seconds = int(time_s) + 41_000
        text = f"2026-05-01 {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        scale = self.height / 22
        thick = max(1, round(scale * 1.6))
        wide, high = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)[0]
        y = high + 4 if self.at_top else luma.shape[0] - 5
        if self.boxed:
            luma[max(0, y - high - 3) : y + 4, : wide + 8] = 16
        place = (4, y)
        cv2.putText(luma, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 240, thick, cv2.LINE_AA)
        return luma
