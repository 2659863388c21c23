"""A camera that does not stand still: sway, drift and a zoom step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.actors import Box


@dataclass(frozen=True, slots=True)
class Camera:
    """The camera's movement: how the canvas is shifted and enlarged, all zero for a fixed camera.

    Attributes:
        size: Width and height of canvas and picture, pixels.
        sway: Amplitude of the sway, pixels.
        sway_hz: Frequencies of the sway, across and down.
        drift: Pixels a second, right and down.
        drift_until_s: When the drift ends.
        zoom: Enlargement after the step; 1 for none.
        zoom_s: Start of the step, which takes a second.
        margin: Enlargement that hides the canvas's border while the camera moves.
    """

    size: tuple[int, int]
    sway: float = 0.0
    sway_hz: tuple[float, float] = (0.4, 0.6)
    drift: tuple[float, float] = (0.0, 0.0)
    drift_until_s: float = 0.0
    zoom: float = 1.0
    zoom_s: float = 0.0
    margin: float = 1.0

    @property
    def moves(self) -> bool:
        """Whether the picture ever differs from the canvas."""
        return self.margin != 1.0 or self.zoom != 1.0

    def matrix(self, time_s: float) -> NDArray[np.float64]:
        """Canvas to picture at a time, ``(2, 3)``."""
        scale = self.margin * (1 + (self.zoom - 1) * float(np.clip(time_s - self.zoom_s, 0, 1)))
        since = min(time_s, self.drift_until_s)
        across = self.sway * math.sin(2 * math.pi * self.sway_hz[0] * time_s)
        down = self.sway * 0.6 * math.sin(2 * math.pi * self.sway_hz[1] * time_s + 1.3)
        x, y = self.size[0] / 2, self.size[1] / 2
        return np.array(
            [
                [scale, 0, x * (1 - scale) + across + self.drift[0] * since],
                [0, scale, y * (1 - scale) + down + self.drift[1] * since],
            ]
        )

    def box(self, box: Box, time_s: float) -> Box:
        """A canvas box in the picture, cut at the picture's edges."""
        matrix = self.matrix(time_s)
        x0, y0 = matrix @ (box[0], box[1], 1)
        x1, y1 = matrix @ (box[2], box[3], 1)
        width, height = self.size
        return (
            float(np.clip(x0, 0, width)),
            float(np.clip(y0, 0, height)),
            float(np.clip(x1, 0, width)),
            float(np.clip(y1, 0, height)),
        )


def draw_camera(
    rng: np.random.Generator, kind: str, size: tuple[int, int], length_s: float
) -> Camera:
    """A camera of a kind: ``fixed``, ``sway``, ``drift`` or ``zoom``.

    Args:
        rng: Draws the amount of movement.
        kind: The kind.
        size: Width and height of the picture, pixels.
        length_s: Length of the scene.
    """
    if kind == "sway":
        sway = float(rng.uniform(0.001, 0.008)) * size[0] + 0.3
        hertz = float(rng.uniform(0.15, 1.2)), float(rng.uniform(0.15, 1.2))
        return Camera(size, sway=sway, sway_hz=hertz, margin=1 + 3 * sway / size[1])
    if kind == "drift":
        way = float(rng.uniform(0.01, 0.05)) * size[0]
        angle = float(rng.uniform(0, 2 * math.pi))
        until_s = length_s * float(rng.uniform(0.4, 1.0))
        drift = way * math.cos(angle) / until_s, way * math.sin(angle) / until_s
        return Camera(size, drift=drift, drift_until_s=until_s, margin=1 + 2.2 * way / size[1])
    if kind == "zoom":
        zoom = float(rng.uniform(1.02, 1.12))
        return Camera(size, zoom=zoom, zoom_s=length_s * float(rng.uniform(0.2, 0.8)))
    return Camera(size)
