"""What changes in a picture though nothing came: leaves, noise, text, screens, a moved view."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.verification.effect import (
    Effect,
    Floats,
    between,
    blurred,
    smooth_noise,
)

_TEXT = "0123456789:/- ABCDEFGHIKLMNOPRSTUVW"


def foliage(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """A textured part whose pieces have moved a little, as leaves, grass, water and flags do."""
    area = _part(shape, rng)
    reach = between(0.8, 5.0, rng)
    scale = between(3.0, 25.0, rng)
    height, width = shape
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    from_x = columns + reach * area * smooth_noise(shape, scale, rng)
    from_y = rows + reach * area * smooth_noise(shape, scale, rng)

    def paint(picture: Floats) -> Floats:
        moved = cv2.remap(picture, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(moved, np.float32)

    return Effect("foliage", area > 0.2, paint)


def noise(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """A blotch that a poor sensor or a lossy stream leaves."""
    area = _part(shape, rng)
    blotch = smooth_noise(shape, between(2.0, 14.0, rng), rng) * area
    blotch *= np.float32(between(12.0, 50.0, rng))
    return Effect(
        "noise",
        np.abs(blotch) > 10,
        lambda picture: np.asarray(np.clip(picture + blotch, 0, 255), np.float32),
    )


def pumping(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """A part coded again and coarsely, as at a key frame: its blocks change in level and detail."""
    area = (_part(shape, rng) > 0.3).astype(np.float32)
    side = int(rng.choice((4, 8, 16)))
    rows, columns = (-(-length // side) for length in shape)
    level = rng.normal(0, between(4.0, 16.0, rng), (rows, columns)).astype(np.float32)
    level = np.kron(level, np.ones((side, side), np.float32))[: shape[0], : shape[1]] * area
    quality = int(rng.integers(3, 20))

    def paint(picture: Floats) -> Floats:
        coarse = coded(picture, quality).astype(np.float32)
        return np.asarray(np.clip(picture + area * (coarse - picture) + level, 0, 255), np.float32)

    return Effect("pumping", area > 0, paint)


def texts(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Effect, Effect]:
    """Burned-in text before and after it changes."""
    size = between(0.25, 1.2, rng)
    place = (round(rng.uniform(0, 0.7) * shape[1]), round(rng.uniform(0.06, 0.99) * shape[0]))
    length = int(rng.integers(1, 20))
    text = list(rng.choice(list(_TEXT), length))
    later = list(text)
    for index in rng.choice(length, max(1, round(length * rng.uniform(0.05, 0.6))), replace=False):
        later[index] = str(rng.choice(list(_TEXT)))
    bright, outlined, thick = rng.random() < 0.7, rng.random() < 0.5, 1 + int(size > 0.8)
    level = np.float32(rng.uniform(180, 255) if bright else rng.uniform(0, 50))

    def effect(words: list[str]) -> Effect:
        ink = np.zeros(shape, np.uint8)
        rim = np.zeros(shape, np.uint8)
        line = "".join(words)
        cv2.putText(rim, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick + 2, cv2.LINE_AA)
        cv2.putText(ink, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick, cv2.LINE_AA)
        share, dark = ink.astype(np.float32) / 255, rim.astype(np.float32) / 255
        dark = dark * np.float32(outlined)

        def paint(picture: Floats) -> Floats:
            return np.asarray((picture * (1 - dark)) * (1 - share) + level * share, np.float32)

        around = np.asarray(cv2.dilate(rim, np.ones((5, 5), np.uint8)) > 0, np.bool_)
        return Effect("text", around, paint)

    return effect(text), effect(later)


def screens(
    shape: tuple[int, int], shown: tuple[Floats, Floats], rng: np.random.Generator
) -> tuple[Effect, Effect]:
    """A screen or a turning poster before and after its picture changes."""
    height, width = shape
    across = between(10.0, 0.35 * width, rng)
    down = across * rng.uniform(0.4, 1.4)
    x, y = rng.uniform(0, width - across), rng.uniform(0, max(1.0, height - down))
    corners = np.array([[x, y], [x + across, y], [x + across, y + down], [x, y + down]])
    corners = (corners + rng.normal(0, 0.06 * across, (4, 2))).astype(np.float32)
    bright = np.float32(rng.uniform(0.5, 1.5))

    def effect(content: Floats) -> Effect:
        rows, columns = content.shape
        flat = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
        matrix = cv2.getPerspectiveTransform(flat, corners)
        laid = cv2.warpPerspective(content, matrix, (width, height), flags=cv2.INTER_AREA)
        share = np.asarray(
            cv2.warpPerspective(np.ones_like(content), matrix, (width, height)), np.float32
        )
        light = np.minimum(np.asarray(laid, np.float32) * bright, 255)
        return Effect("screen", share > 0.5, lambda picture: picture * (1 - share) + light * share)

    return effect(shown[0]), effect(shown[1])


def moved(shape: tuple[int, int], rng: np.random.Generator) -> Effect:
    """The whole view shifted by one to six pixels, turned a little or zoomed."""
    angle = rng.normal(0, 0.3) if rng.random() < 0.4 else 0.0
    zoom = 1 + rng.normal(0, 0.012) if rng.random() < 0.4 else 1.0
    middle = (shape[1] / 2, shape[0] / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, angle, zoom), np.float64)
    direction, length = rng.uniform(0, 2 * np.pi), between(0.8, 6.0, rng)
    matrix[:, 2] += length * np.array([np.cos(direction), np.sin(direction)])

    def paint(picture: Floats) -> Floats:
        shifted = cv2.warpAffine(
            picture, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return np.asarray(shifted, np.float32)

    return Effect("moved", np.ones(shape, np.bool_), paint)


def coded(picture: Floats, quality: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A picture as a coder at this quality of JPEG gives it back."""
    levels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    done, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _part(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A part of the picture with a ragged edge, 0 to 1."""
    height, width = shape
    size = between(6.0, 0.4 * width, rng)
    area = np.zeros(shape, np.float32)
    centre = (round(rng.uniform(0, width)), round(rng.uniform(0, height)))
    axes = (max(2, round(size / 2)), max(2, round(size / 2 * rng.uniform(0.4, 1.4))))
    cv2.ellipse(area, centre, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    ragged = area * (smooth_noise(shape, max(2.0, size / 6), rng) > -0.7)
    return blurred(ragged, between(0.3, 0.1 * size + 0.4, rng))
