"""The empty view of one scene: a window of a background in the light of the day."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.backgrounds import Background
from benchmarks.composed.ground import Ground

Picture = NDArray[np.uint8]
DAYLIGHTS = ("day", "dusk", "night", "infrared")
# Of each light: gain of the luminance, share of the colour that remains, BGR tint.
_TONES = {
    "day": (1.0, 1.0, (1.0, 1.0, 1.0)),
    "dusk": (0.55, 0.75, (1.10, 1.0, 0.92)),
    "night": (0.45, 0.5, (0.92, 1.0, 1.08)),
    "infrared": (0.70, 0.0, (1.0, 1.0, 1.0)),
}
_STEEPEST = 0.6  # blur per pixel of enlargement, standard deviation


@dataclass(frozen=True, slots=True)
class Tone:
    """Light and colours of a time of day.

    Attributes:
        daylight: One of ``DAYLIGHTS``.
        gain: Factor of the luminance besides that of the daylight.
        contrast: Factor of the difference from the mean: below 1 in fog.
        haze: Level towards which contrast is lost.
    """

    daylight: str
    gain: float = 1.0
    contrast: float = 1.0
    haze: float = 150.0

    def apply(self, image: NDArray[np.uint8]) -> Picture:
        """A picture that was taken by day in this light."""
        gain, colour, tint = _TONES[self.daylight]
        pixels = np.asarray(image, np.float64)
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.float32)[..., None]
        pixels = (grey + (pixels - grey) * colour) * np.array(tint, np.float32) * (gain * self.gain)
        pixels = self.haze + (pixels - self.haze) * self.contrast
        return np.asarray(np.clip(pixels, 0, 255), np.uint8)


@dataclass(frozen=True, slots=True)
class View:
    """An empty view, ready to be drawn upon.

    Attributes:
        image: uint8 ``(height, width, 3)``, BGR.
        ground: Where things stand, in pixels of the image.
        tone: The light of the objects that are drawn into it.
        blur: Standard deviation of the view's blur, pixels.
        sun: Shadow of a thing one pixel high: pixels to the right, pixels down; ``None`` without
            sun.
        shade: Share of the light lost in a shadow.
        wet: Share of light that the ground reflects, 0 where dry.
    """

    image: Picture
    ground: Ground
    tone: Tone
    blur: float
    sun: tuple[float, float] | None
    shade: float
    wet: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.image.shape[1], self.image.shape[0]


def frame_view(
    rng: np.random.Generator, background: Background, size: tuple[int, int], tone: Tone
) -> View:
    """A window of a background, scaled to a camera's size, perhaps mirrored.

    Args:
        rng: Chooses window, mirroring, sun and shade.
        background: The empty view.
        size: Width and height of the camera's picture, pixels.
        tone: The light.
    """
    height, width = background.image.shape[:2]
    aspect = size[0] / size[1]
    # Photographs are taken from eye level with much sky: the lower part is the street.
    share = float(rng.uniform(0.75, 1.0))
    high = min(height * share, width * share / aspect)
    wide = high * aspect
    left = float(rng.uniform(0, width - wide))
    top = (height - high) * float(rng.uniform(0.5, 1.0))
    scale = size[1] / high
    part = background.image[round(top) : round(top + high), round(left) : round(left + wide)]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = np.asarray(cv2.resize(part, size, interpolation=how), np.uint8)
    ground = background.ground.window(left, top, scale, size[1])
    if rng.random() < 0.5:
        image, ground = np.ascontiguousarray(image[:, ::-1]), ground.mirrored(size[0])
    blur = max(0.0, scale - 1) * _STEEPEST
    sunny = tone.daylight == "day" and tone.contrast == 1 and rng.random() < 0.5
    down = float(rng.uniform(0.08, 0.3)) * float(rng.choice((-1, 1)))
    sun = (float(rng.uniform(-1.0, 1.0)), down) if sunny else None
    return View(tone.apply(image), ground, tone, blur, sun, float(rng.uniform(0.35, 0.6)), 0.0)
