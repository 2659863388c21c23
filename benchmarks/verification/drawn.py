"""Drawn goods: boxes, bags, piles and poles, since cut-outs of such things are few."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.verification.effect import Floats, blurred, smooth_noise
from benchmarks.verification.things import Cutout

_SIDE = 96


def drawn(count: int, seed: int) -> list[Cutout]:
    """So many drawn things; each is a class of its own, so that folds share none.

    Args:
        count: How many.
        seed: The same seed draws the same things.
    """
    things = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        grey, alpha = _SHAPES[number % len(_SHAPES)](rng)
        worn = grey + rng.uniform(0, 14) * smooth_noise(grey.shape, rng.uniform(2, 20), rng)
        things.append(Cutout(f"drawn-{seed}-{number}", *_cropped(worn, alpha)))
    return things


def _box(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A box seen from above one corner: three faces, and perhaps a label or tape."""
    grey, alpha = _blank()
    middle = np.array([_SIDE / 2, _SIDE * rng.uniform(0.35, 0.6)])
    right = np.array([rng.uniform(0.15, 0.42), rng.uniform(-0.2, 0.0)]) * _SIDE
    left = np.array([-rng.uniform(0.1, 0.42), rng.uniform(-0.2, 0.0)]) * _SIDE
    down = np.array([0.0, rng.uniform(0.12, 0.38)]) * _SIDE
    levels = rng.uniform(30, 220) * np.array([1.0, rng.uniform(0.5, 0.95), rng.uniform(0.6, 1.4)])
    faces = [
        (middle, right, down, levels[0]),
        (middle, left, down, levels[1]),
        (middle, right, left, levels[2]),
    ]
    for corner, first, second, level in faces:
        _face(grey, alpha, corner, first, second, float(min(level, 255)))
        if rng.random() < 0.4:
            at = corner + rng.uniform(0.1, 0.5) * first + rng.uniform(0.1, 0.5) * second
            _face(grey, alpha, at, 0.35 * first, 0.3 * second, float(rng.uniform(20, 250)))
    return grey, alpha


def _bag(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A bag: a rounded, uneven outline with folds and shade, perhaps a handle."""
    grey, alpha = _blank()
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    power = rng.uniform(0.4, 1.0)
    uneven = 1 + 0.1 * np.sin(np.outer(angles, (2, 3, 5)) + rng.uniform(0, 6, 3)).sum(axis=1) / 2
    across, down = rng.uniform(0.2, 0.42, 2) * _SIDE
    x = across * np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power * uneven
    y = down * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power * uneven
    outline = np.stack([_SIDE / 2 + x, _SIDE * 0.55 + y], 1)
    cv2.fillPoly(alpha, [np.round(outline).astype(np.int32)], 1.0)
    shade = np.linspace(rng.uniform(0.6, 1.3), rng.uniform(0.5, 1.0), _SIDE, dtype=np.float32)
    folds = 1 + rng.uniform(0, 0.15) * smooth_noise(grey.shape, rng.uniform(5, 18), rng)
    grey += np.float32(rng.uniform(15, 230)) * shade[:, None] * folds
    if rng.random() < 0.5:
        centre = (_SIDE // 2, round(_SIDE * 0.55 - down))
        axes = (max(3, round(0.4 * across)), max(3, round(0.35 * down)))
        cv2.ellipse(alpha, centre, axes, 0, 180, 360, 1.0, 3)
    return grey, alpha


def _pile(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Several boxes and bags, one before the other."""
    grey, alpha = _blank()
    for _ in range(int(rng.integers(2, 7))):
        one_grey, one_alpha = (_box if rng.random() < 0.5 else _bag)(rng)
        scale = rng.uniform(0.3, 0.7)
        matrix = np.array(
            [
                [scale, 0, rng.uniform(0, 1 - scale) * _SIDE],
                [0, scale, rng.uniform(0.3, 1) * (1 - scale) * _SIDE],
            ],
            np.float32,
        )
        size = (_SIDE, _SIDE)
        moved = cv2.warpAffine(one_grey, matrix, size), cv2.warpAffine(one_alpha, matrix, size)
        grey = np.asarray(grey * (1 - moved[1]) + moved[0] * moved[1], np.float32)
        alpha = np.asarray(np.maximum(alpha, moved[1]), np.float32)
    return grey, alpha


def _pole(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Something long and thin: a bollard, a cone, a plank."""
    grey, alpha = _blank()
    top, bottom = rng.uniform(0.02, 0.12, 2) * _SIDE
    lean = rng.uniform(-0.15, 0.15) * _SIDE
    x = _SIDE / 2
    outline = [(x + lean - top, 2), (x + lean + top, 2), (x + bottom, 94), (x - bottom, 94)]
    cv2.fillPoly(alpha, [np.round(outline).astype(np.int32)], 1.0)
    grey += np.float32(rng.uniform(20, 230))
    for _ in range(int(rng.integers(0, 4))):
        row = int(rng.integers(5, 85))
        grey[row : row + int(rng.integers(4, 14))] = np.float32(rng.uniform(10, 250))
    return grey, alpha


_SHAPES: tuple[Callable[[np.random.Generator], tuple[Floats, Floats]], ...] = (
    _box,
    _bag,
    _pile,
    _bag,
    _box,
    _pole,
)


def _blank() -> tuple[Floats, Floats]:
    return np.zeros((_SIDE, _SIDE), np.float32), np.zeros((_SIDE, _SIDE), np.float32)


def _face(
    grey: Floats,
    alpha: Floats,
    corner: np.ndarray[tuple[int], np.dtype[np.float64]],
    first: np.ndarray[tuple[int], np.dtype[np.float64]],
    second: np.ndarray[tuple[int], np.dtype[np.float64]],
    level: float,
) -> None:
    corners = np.stack([corner, corner + first, corner + first + second, corner + second])
    points = [np.round(corners).astype(np.int32)]
    cv2.fillPoly(grey, points, level)
    cv2.fillPoly(alpha, points, 1.0)


def _cropped(grey: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    left, top, width, height = cv2.boundingRect((alpha > 0.5).astype(np.uint8))
    part = slice(top, top + height), slice(left, left + width)
    return np.asarray(np.clip(grey[part], 0, 255), np.float32), blurred(alpha[part], 0.6)
