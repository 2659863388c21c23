"""Synthetic clouds, cloud shadows and haze over pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Cloudy:
    """A picture under clouds.

    Attributes:
        picture: The picture.
        cloud: Share of cloud in each pixel, 0 to 1.
        shadow: Share of shadow in each pixel, 0 to 1.
    """

    picture: Picture
    cloud: Plane
    shadow: Plane


def overcast(
    picture: Picture,
    resolution_m: float,
    clouds: list[tuple[float, float, float]],
    *,
    sun_m: tuple[float, float] = (70.0, 60.0),
    shade: float = 0.55,
    seed: int = 0,
) -> Cloudy:
    """Lays soft clouds and their shadows over a picture.

    Args:
        picture: The picture.
        resolution_m: Side of a pixel, metres.
        clouds: x, y and diameter of each cloud, metres.
        sun_m: Displacement of the shadows, right and down, metres.
        shade: Share of the light that remains in a shadow.
        seed: Seed of the clouds' ragged edges.
    """
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32) * np.float32(resolution_m)
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 6 / resolution_m), np.float32)
    ragged = smooth / smooth.std()
    cloud = np.zeros((height, width), np.float32)
    for cx, cy, diameter in clouds:
        away = np.hypot(x - cx, y - cy) + 0.06 * diameter * ragged
        soft = max(8.0, 0.175 * diameter)
        cloud = np.maximum(cloud, np.clip((diameter / 2 - away) / soft + 0.5, 0, 1))
    step = np.array([[1, 0, sun_m[0]], [0, 1, sun_m[1]]], np.float32)
    step[:, 2] /= resolution_m
    shadow = cv2.warpAffine(cloud, step, (width, height))
    values = picture * (1 - (1 - shade) * shadow[..., None])
    values = values * (1 - cloud[..., None]) + cloud[..., None] * (235 + 4 * ragged[..., None])
    return Cloudy(
        np.clip(values, 0, 255).astype(np.uint8),
        np.asarray(cloud, np.float32),
        np.asarray(shadow, np.float32),
    )


def veiled(picture: Picture, strength: float, veil: Plane) -> Picture:
    """A picture under a bluish-white veil with opacity ``veil`` ``(height, width)``."""
    share = strength * veil[..., None]
    values = picture * (1 - share) + share * np.array([205, 212, 220])
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def spread_out(shape: tuple[int, ...], share: float, soft_px: float, seed: int = 0) -> Plane:
    """Opacity ``(height, width)`` of clouds over a share of a picture, with soft edges."""
    height, width = shape[0], shape[1]
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(height, width)).astype(np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), 45) * 9 + cv2.GaussianBlur(noise, (0, 0), 15)
    inside = (field > np.quantile(field, 1 - share)).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    return np.asarray(np.clip(depth / soft_px, 0, 1), np.float32)


def laid_over(picture: Picture, opacity: Plane, grey: float = 240) -> Picture:
    """A picture under white clouds."""
    values = picture * (1 - opacity[..., None]) + grey * opacity[..., None]
    grain = np.random.default_rng(5).normal(0, 3, opacity.shape) * opacity
    return np.asarray(np.clip(values + grain[..., None], 0, 255), np.uint8)
