"""Objects and a view made of plain shapes, for tests that need no photographs."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.composed.backgrounds import Background
from benchmarks.composed.cutouts import Cutout
from benchmarks.composed.ground import Ground

WIDTH, HEIGHT = 320, 240


def _cutout(name: str, word: str, group: str, size: tuple[int, int], level: int) -> Cutout:
    rng = np.random.default_rng(level)
    image = np.full((size[1], size[0], 3), level, np.uint8)
    image[size[1] // 3 :] = 255 - level
    image = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    return Cutout(name, word, group, image, np.ones((size[1], size[0]), np.float32), False)


def cutouts() -> list[Cutout]:
    """Persons, vehicles and goods of strong contrast."""
    persons = [_cutout(f"p{n}", "person", "person", (40, 110), 20 + n) for n in range(4)]
    vehicles = [_cutout(f"v{n}", "car", "vehicle", (160, 70), 220 + n) for n in range(2)]
    vehicles.append(_cutout("v2", "bus", "vehicle", (200, 80), 200))
    goods = [
        _cutout("g0", "suitcase", "goods", (60, 80), 10),
        _cutout("g1", "chair", "goods", (60, 70), 235),
        _cutout("g2", "rubbish", "goods", (120, 60), 15),
    ]
    return [*persons, *vehicles, *goods]


def background(name: str = "street.mp4", *, held_back: bool = False) -> Background:
    """A grey street with some texture."""
    rng = np.random.default_rng(3)
    coarse = rng.uniform(100, 150, (HEIGHT // 8, WIDTH // 8, 3)).astype(np.float32)
    image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    polygon = np.array([[0, 80], [WIDTH, 80], [WIDTH, HEIGHT - 4], [0, HEIGHT - 4]], np.float64)
    ground = Ground(10.0, 90.0, HEIGHT, polygon, True)
    return Background(name, np.asarray(image, np.uint8), ground, True, held_back)
