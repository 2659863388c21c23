"""Light that changes: shadows, sun, lamps, glare, exposure and fog."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.verification.effect import (
    Effect,
    Floats,
    between,
    blurred,
    covered,
    smooth_noise,
)
from benchmarks.verification.things import Placed


def patch(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """A cast shadow or a spot of sun, sharp or soft: a factor on what it falls on."""
    area = blurred(_outline(shape, rng), _softness(rng))
    if rng.random() < 0.6:
        factor = np.float32(rng.uniform(0.3, 0.85))
        kind = "shadow"
    else:
        factor = np.float32(between(1.18, 3.0, rng))
        kind = "sun"
    return _factor(kind, area, factor)


def silhouette(thing: Placed, rng: np.random.Generator) -> Effect:
    """The shadow of something that is not in the picture."""
    area = blurred(thing.alpha, _softness(rng))
    return _factor("shadow", area, np.float32(rng.uniform(0.3, 0.8)))


def lamp(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """A lamp that burns, or a pair of headlights with what they light up."""
    height, width = shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    radius = between(2.0, 0.12 * width, rng)
    light = _glow(shape, x, y, radius, radius, rng)
    kind = "lamp"
    if rng.random() < 0.5:
        kind = "headlights"
        light += _glow(shape, x + rng.uniform(2.5, 6) * radius, y, radius, radius, rng)
        along, reach = rng.uniform(-1, 1) * 3 * radius, between(2.0, 8.0, rng) * radius
        light += 0.5 * _glow(shape, x + along, y + reach, 2 * radius, reach, rng)
    return _added(kind, light)


def glare(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """Light on wet or polished ground: a streak, broken by the ground's texture."""
    height, width = shape
    across = between(2.0, 0.08 * width, rng)
    down = between(1.0, 8.0, rng) * across
    light = _glow(shape, rng.uniform(0, width), rng.uniform(0.2, 1) * height, across, down, rng)
    broken = 1 + 0.5 * smooth_noise(shape, between(1.5, 8.0, rng), rng)
    return _added("glare", light * np.clip(broken, 0, 2))


def drift(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """Exposure that differs over a part of the picture, as when a cloud's shadow passes."""
    area = _soft_part(shape, rng)
    factor = np.float32(rng.uniform(0.45, 0.85) if rng.random() < 0.5 else between(1.2, 2.0, rng))
    return _factor("exposure", area, factor)


def fog(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """A bank of fog or smoke: it lifts the dark and takes away contrast."""
    share = _soft_part(shape, rng) * np.float32(rng.uniform(0.2, 0.75))
    level = np.float32(rng.uniform(90, 235))
    return Effect(
        "fog", covered(share), lambda picture: picture * (1 - share) + np.float32(level) * share
    )


def _factor(kind: str, area: Floats, factor: np.float32) -> Effect:
    change = 1 + (factor - 1) * area
    return Effect(
        kind,
        covered(np.abs(change - 1)),
        lambda picture: np.asarray(np.minimum(picture * change, 255), np.float32),
    )


def _added(kind: str, light: Floats) -> Effect:
    mask = np.asarray(light > 12, np.bool_)
    return Effect(kind, mask, lambda picture: np.asarray(np.minimum(picture + light, 255)))


def _softness(rng: np.random.Generator) -> float:
    """How far an edge of light fades, pixels: sharp as often as soft."""
    return float(rng.uniform(0, 0.6)) if rng.random() < 0.6 else between(0.6, 20.0, rng)


def _outline(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A polygon, a strip, an ellipse, a part of the picture beyond a line, or dapples."""
    height, width = shape
    area = np.zeros(shape, np.float32)
    size = between(4.0, 0.5 * width, rng)
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    match int(rng.integers(6)):
        case 0 | 1:
            count = int(rng.integers(3, 9))
            angles = np.sort(rng.uniform(0, 2 * np.pi, count))
            radii = size / 2 * rng.uniform(0.4, 1.2, count)
            flat = rng.uniform(0.3, 1.0)
            points = np.stack([x + radii * np.cos(angles), y + flat * radii * np.sin(angles)], 1)
            cv2.fillPoly(area, [np.round(points).astype(np.int32)], 1.0)
        case 2:
            angle, thick = rng.uniform(0, np.pi), max(2, round(size * rng.uniform(0.05, 0.35)))
            dx, dy = size * np.cos(angle), size * np.sin(angle)
            ends = [(round(x - dx), round(y - dy)), (round(x + dx), round(y + dy))]
            cv2.line(area, ends[0], ends[1], 1.0, thick)
        case 3:
            axes = (max(2, round(size / 2)), max(2, round(size / 2 * rng.uniform(0.3, 1))))
            turn = rng.uniform(0, 180)
            cv2.ellipse(area, (round(x), round(y)), axes, turn, 0, 360, 1.0, -1)
        case 4:
            normal = rng.uniform(0, 2 * np.pi)
            columns, rows = np.meshgrid(np.arange(width) - x, np.arange(height) - y)
            area[columns * np.cos(normal) + rows * np.sin(normal) > 0] = 1.0
        case _:
            dapples = smooth_noise(shape, between(3.0, 30.0, rng), rng) > rng.uniform(0.3, 1.2)
            area[dapples & (_disc(shape, x, y, size, size) > 0.3)] = 1.0
    return area


def _soft_part(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A part of the picture with wide borders, 0 to 1."""
    noise = smooth_noise(shape, between(0.1, 0.8, rng) * shape[1], rng)
    return np.asarray(1 / (1 + np.exp(-rng.uniform(2, 6) * (noise - rng.uniform(-0.3, 0.8)))))


def _glow(
    shape: tuple[int, int],
    x: float,
    y: float,
    across: float,
    down: float,
    rng: np.random.Generator,
) -> Floats:
    """Light that falls off around a place; its middle is burnt out where it is strong."""
    return _disc(shape, x, y, across, down) * np.float32(between(40.0, 600.0, rng))


def _disc(shape: tuple[int, int], x: float, y: float, across: float, down: float) -> Floats:
    columns = np.arange(shape[1], dtype=np.float32) - np.float32(x)
    rows = np.arange(shape[0], dtype=np.float32) - np.float32(y)
    return np.asarray(
        np.exp(-0.5 * (rows[:, None] / down) ** 2) * np.exp(-0.5 * (columns[None] / across) ** 2),
        np.float32,
    )
