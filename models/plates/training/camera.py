"""What a camera makes of a plate: perspective, light, dirt, blur, noise, compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.plates.rectify import INPUT_HEIGHT_PX, INPUT_WIDTH_PX, side_by_side

Picture = npt.NDArray[np.uint8]
Real = npt.NDArray[np.float32]
Random = np.random.Generator


def photograph(plate: Picture, random: Random, two_lines: bool) -> Picture:
    """Turn a flat drawing into what the reader gets.

    Args:
        plate: The drawing in BGR, one pixel a millimetre.
        random: Source of chance.
        two_lines: Whether the plate has two lines, which are laid side by side.

    Returns:
        A picture ``(32, 128, 3)`` in BGR.
    """
    hardness = float(random.beta(1.2, 2.2))
    scene = _stained(plate, random)
    scene, corners = _surrounded(scene, random)
    seen = _seen(scene, corners, random, two_lines)
    return _recorded(_lit(seen.astype(np.float32), random), random, hardness)


def _noise_field(random: Random, shape: tuple[int, int], cells: int) -> Real:
    """Smooth noise, 0 to 1."""
    coarse = random.random((cells, cells * 3)).astype(np.float32)
    field = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)


def _stained(plate: Picture, random: Random) -> Picture:
    """Add dirt, wear of the paint and a cover or frame over the edge."""
    picture = plate.astype(np.float32)
    height, width = plate.shape[:2]
    if random.random() < 0.35:
        share = np.clip(
            _noise_field(random, (height, width), int(random.integers(3, 12))) - 0.45, 0, 1
        )
        share *= random.uniform(0.4, 1.6)
        mud = np.array([70, 95, 115], np.float32) * random.uniform(0.4, 1.6)
        share = np.clip(share, 0, 0.85)[..., None]
        picture = picture * (1 - share) + mud * share
    if random.random() < 0.15:
        for _ in range(int(random.integers(1, 6))):
            start = (int(random.integers(0, width)), int(random.integers(0, height)))
            end = (
                start[0] + int(random.integers(-90, 90)),
                start[1] + int(random.integers(-40, 40)),
            )
            shade = float(random.uniform(30, 220))
            cv2.line(picture, start, end, (shade,) * 3, int(random.integers(1, 4)), cv2.LINE_AA)
    if random.random() < 0.25:
        _framed(picture, random)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _framed(picture: Real, random: Random) -> None:
    """Cover the edges by a dealer's frame."""
    height, width = picture.shape[:2]
    grey = float(random.choice([20, 40, 120, 190, 220]))
    sides = random.uniform(0, 1, 4) < 0.6
    top, bottom = (int(random.uniform(2, 13)) for _ in range(2))
    left, right = (int(random.uniform(2, 12)) for _ in range(2))
    if sides[0]:
        picture[:top] = grey
    if sides[1]:
        picture[height - bottom :] = grey
    if sides[2]:
        picture[:, :left] = grey
    if sides[3]:
        picture[:, width - right :] = grey


def _surrounded(plate: Picture, random: Random) -> tuple[Picture, npt.NDArray[np.float32]]:
    """Lay the plate on something like a bumper; return it and the plate's corners."""
    height, width = plate.shape[:2]
    across, down = width // 4, height // 2
    size = (height + 2 * down, width + 2 * across)
    base = random.uniform(10, 240) if random.random() < 0.7 else random.uniform(5, 60)
    tint = random.normal(0, 12 if random.random() < 0.7 else 50, 3)
    scene: npt.NDArray[Any] = np.empty((*size, 3), np.float32)
    scene[:] = np.clip(base + tint, 0, 255)
    slope = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None, None]
    scene += slope * float(random.normal(0, 35))
    if random.random() < 0.5:
        scene += (_noise_field(random, size, int(random.integers(2, 9)))[..., None] - 0.5) * 90
    for _ in range(int(random.integers(0, 5))):  # grilles, edges of the body, shadows under it
        y = int(random.integers(0, size[0]))
        shade = (float(random.uniform(0, 255)),) * 3
        tilt = int(random.integers(-12, 12))
        cv2.line(scene, (0, y), (size[1], y + tilt), shade, int(random.integers(2, 40)))
    if random.random() < 0.15:
        for x in range(0, size[1], int(random.integers(12, 30))):
            cv2.line(scene, (x, 0), (x, size[0]), (30.0, 30.0, 30.0), 5)
    scene = np.clip(scene, 0, 255).astype(np.uint8)
    if random.random() < 0.3:  # a dealer's writing below the plate
        text = "".join(chr(int(c)) for c in random.integers(65, 90, 9))
        place = (across + int(random.integers(0, width // 2)), down + height + 26)
        cv2.putText(scene, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (170, 170, 170), 2)
    scene[down : down + height, across : across + width] = plate
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return scene, corners + np.array([across, down], np.float32)


def _seen(scene: Picture, corners: Real, random: Random, two_lines: bool) -> Picture:
    """Look at the scene from somewhere, and cut the plate out by corners or by a box."""
    if two_lines:
        return _two_line_view(scene, corners, random)
    target = _box_view(random) if random.random() < 0.5 else _corner_view(random)
    return _warp(scene, corners, target, (INPUT_WIDTH_PX, INPUT_HEIGHT_PX))


def _warp(scene: Picture, corners: Real, target: Real, size: tuple[int, int]) -> Picture:
    """Warp at twice the size and average, which no aliasing survives."""
    matrix = cv2.getPerspectiveTransform(corners, (target * 2).astype(np.float32))
    large = cv2.warpPerspective(
        cv2.GaussianBlur(scene, (0, 0), 0.8),
        matrix,
        (size[0] * 2, size[1] * 2),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(large, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _corner_view(random: Random) -> Real:
    """Corners of a rectified plate whose four corners were found with some error."""
    width, height = INPUT_WIDTH_PX, INPUT_HEIGHT_PX
    spread = random.uniform(0.01, 0.07)
    shift = random.normal(0, spread, (4, 2)) * [width * 0.35, height]
    margin = random.uniform(-0.03, 0.09, 2)
    base = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    base = (base - 0.5) * (1 - 2 * margin * [0.6, 1.0]) + 0.5
    shift = np.clip(shift, [-width * 0.035, -height * 0.17], [width * 0.035, height * 0.17])
    return (base * [width, height] + shift).astype(np.float32)


def _box_view(random: Random) -> Real:
    """Corners of a tilted plate within the upright box about it, as plain detectors cut."""
    yaw, pitch = random.normal(0, 22), random.normal(0, 15)
    roll = float(np.clip(random.normal(0, 7), -18, 18))
    yaw, pitch = np.radians(np.clip([yaw, pitch], -55, 45))
    half = np.array([[-1, -0.318], [1, -0.318], [1, 0.318], [-1, 0.318]])
    x, y = half[:, 0] * np.cos(yaw), half[:, 1] * np.cos(pitch)
    depth = random.uniform(5, 14) + half[:, 0] * np.sin(yaw) + half[:, 1] * np.sin(pitch)
    points = np.stack([x / depth, y / depth], axis=1)
    shear = random.normal(0, 0.09) + np.sin(yaw) * np.sin(pitch) * 0.5
    points[:, 1] += points[:, 0] * shear
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = points @ turn.T
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - low) / (high - low)
    margin = random.uniform(-0.03, 0.08, (2, 2)) * [0.6, 1.0]
    points = margin[0] + points * (1 - margin.sum(axis=0))
    return np.asarray(points * [INPUT_WIDTH_PX, INPUT_HEIGHT_PX], np.float32)


def _two_line_view(scene: Picture, corners: Real, random: Random) -> Picture:
    """Lay the two lines side by side, as the rectifier does."""
    width, height = 128, 64
    spread = random.uniform(0.005, 0.035)
    base = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    base = (base - 0.5) * (1 - 2 * random.uniform(-0.02, 0.06)) + 0.5
    base += np.clip(random.normal(0, spread, (4, 2)), -0.07, 0.07)
    target = (base * [width, height]).astype(np.float32)
    square = _warp(scene, corners, target, (width, height))
    return side_by_side(square)


# Share of pictures in which bright strokes spread over their edges, before the sensor saturates.
_BLOOMING = 0.15


def _lit(picture: Real, random: Random) -> Real:
    """Light the plate: exposure, colour cast, shadow, glare, fog, night."""
    height, width = picture.shape[:2]
    if random.random() < 0.3:  # the edge of a shadow
        angle = random.uniform(0, np.pi)
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-0.5, 0.5, height))
        edge = (np.cos(angle) * x + np.sin(angle) * y - random.normal(0, 0.4)) * random.uniform(
            3, 40
        )
        share = 1 / (1 + np.exp(-np.clip(edge, -30, 30)))
        picture = picture * (1 - share * random.uniform(0.2, 0.75))[..., None].astype(np.float32)
    if random.random() < 0.15:  # glare
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        centre = random.uniform([0, 0], [width, height])
        spot = np.exp(
            -(((x - centre[0]) / random.uniform(5, 40)) ** 2)
            - ((y - centre[1]) / random.uniform(4, 20)) ** 2
        )
        picture = picture + (spot * random.uniform(30, 150))[..., None].astype(np.float32)
    cast = random.normal(1, 0.13, 3) if random.random() < 0.7 else random.normal(1, 0.35, 3)
    picture = picture * np.clip(cast, 0.25, 1.9).astype(np.float32)
    if random.random() < 0.2:
        grey = picture.mean(axis=2, keepdims=True)
        picture = grey + (picture - grey) * float(random.choice([0.0, 0.0, 0.3, 0.5]))
    if random.random() < 0.3:  # fog, haze of the lens, thin dust: less contrast
        veil = random.uniform(60, 230) + random.normal(0, 15, 3)
        share = random.uniform(0.1, 0.65)
        picture = picture * (1 - share) + veil.astype(np.float32) * share
    if random.random() < 0.15:  # the whole in one lamp's light
        share = random.uniform(0.2, 0.8)
        lamp = random.uniform([0, 20, 30], [130, 150, 160])
        picture = picture * (1 - share) + lamp.astype(np.float32) * share
    if random.random() < _BLOOMING:
        soft = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 1.3))
        picture = np.asarray(soft, np.float32) * float(random.uniform(1.1, 1.9))
    exposure = np.exp(random.normal(0, 0.35))
    if random.random() < 0.15:
        exposure *= random.uniform(0.15, 0.5)  # night
    picture = np.clip(picture * exposure, 0, 255) / 255
    return np.asarray(picture ** np.exp(random.normal(0, 0.3)) * 255, np.float32)


def _recorded(picture: Real, random: Random, hardness: float) -> Picture:
    """Sample the picture coarsely, blur, add noise, compress, sharpen, and enlarge again."""
    if random.random() < 0.9:
        height = int(np.clip(random.normal(32 - 18 * hardness, 4), 10, 40))
        width = int(height * random.uniform(3.0, 4.4))
        soft = cv2.GaussianBlur(picture, (0, 0), max(0.2, 13.0 / height))
        small = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
        picture = np.asarray(small, np.float32)
    picture = _blurred(picture, random, hardness)
    if random.random() < 0.7:
        sigma = abs(random.normal(0, 6 * hardness)) * max(0.3, float(picture.mean()) / 128)
        picture = picture + random.normal(0, sigma + 0.1, picture.shape).astype(np.float32)
    if random.random() < 0.5:  # sharpening by the camera
        soft = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.7, 1.6))
        picture = picture + (picture - soft) * float(random.uniform(0.3, 2.2))
    if random.random() < 0.12:  # stretched contrast
        low, high = np.percentile(picture, [1, 99])
        picture = (picture - low) * (random.uniform(150, 255) / max(high - low, 8))
    coded: Picture = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(int(random.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))):
        quality = int(np.clip(random.normal(70 - 35 * hardness, 15), 12, 98))
        data = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        coded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    way = int(random.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA]))
    return cv2.resize(coded, (INPUT_WIDTH_PX, INPUT_HEIGHT_PX), interpolation=way).astype(np.uint8)


def _blurred(picture: Real, random: Random, hardness: float) -> Real:
    if random.random() < 0.5:
        sigma = 0.25 + abs(random.normal(0, 0.75 * hardness))
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
    if random.random() < 0.25:
        length = 1 + int(abs(random.normal(0, 5 * hardness)))
        kernel = np.zeros((15, 15), np.float32)
        angle = random.uniform(0, np.pi) if random.random() < 0.5 else random.normal(0, 0.2)
        reach = np.array([np.cos(angle), np.sin(angle)]) * min(length, 7) / 2
        start, end = (np.round(7 + sign * reach).astype(int) for sign in (-1, 1))
        cv2.line(kernel, tuple(start.tolist()), tuple(end.tolist()), (1.0,), 1)
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
    return picture
