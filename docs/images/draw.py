"""Draws the README's picture: a made-up street, and the program's own evidence drawing on it.

Nothing in it was photographed and no detector looked at it; box, zone, caption and blurred heads
come from ``cv_engine.evidence``, as in the pictures of a real case. Run it from the repository's
root::

    python docs/images/draw.py
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from shapely.geometry import Polygon

from cv_engine.evidence.clock_error import GIVEN, ClockError
from cv_engine.evidence.media.annotate import annotate
from cv_engine.evidence.media.caption import caption
from cv_engine.evidence.media.redact import redact
from cv_engine.evidence.media.still import Still
from cv_engine.finding import Finding, Place

Points = Sequence[tuple[float, float, float]]
Colour = tuple[float, float, float]

WIDTH, HEIGHT = 1200, 675
_FINER = 2  # drawn larger and scaled down: smooth edges
_FOCAL = 1.02  # in picture widths
_EYE, _TARGET = np.array([-3.4, -10.5, 5.6]), np.array([2.3, 9.0, 0.2])
_SUN = np.array([-0.50, -0.34, 0.80])
_HAZE = np.array([226, 216, 204], float)  # BGR
_HAZE_M = 130.0
_KERB, _HOUSES, _HIGH = 3.0, 7.4, 0.14  # metres: where the pavement begins and ends, and its height


class Scene:
    """A picture of flat polygons in metres: x to the right, y along the street, z up."""

    def __init__(self) -> None:
        self.size = (WIDTH * _FINER, HEIGHT * _FINER)
        sky = np.linspace(0, 1, self.size[1])[:, None, None]
        top, low = np.array([214, 178, 140], float), _HAZE
        self.image: NDArray[np.float32] = np.array(
            np.broadcast_to(
                top + (low - top) * np.clip(sky * 2.6, 0, 1), (self.size[1], self.size[0], 3)
            ),
            np.float32,
            order="C",
        )
        forward = (_TARGET - _EYE) / np.linalg.norm(_TARGET - _EYE)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, -np.cross(right, forward), forward])

    def pixels(self, points: Points) -> tuple[NDArray[np.float64], float]:
        """Where points are in the picture, pixels, and how far away, metres."""
        seen = (np.asarray(points, float) - _EYE) @ self._axes.T
        depth = np.maximum(seen[:, 2:], 0.3)
        flat = seen[:, :2] / depth * _FOCAL * self.size[0] + np.array(self.size) / 2
        return flat, float(depth.mean())

    def face(self, points: Points, colour: Colour, *, lit: bool = True) -> None:
        """Fills a polygon, shaded by how it stands to the sun, paler with distance."""
        flat, depth = self.pixels(points)
        corners = np.asarray(points, float)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ (_EYE - corners[0]) < 0:
            normal = -normal
        light = 0.58 + 0.5 * max(0.0, float(normal @ (_SUN / np.linalg.norm(_SUN)))) if lit else 1
        haze = 1 - np.exp(-depth / _HAZE_M)
        shaded = np.array(colour) * light * (1 - haze) + _HAZE * haze
        cv2.fillPoly(
            self.image, [np.round(flat * 16).astype(np.int32)], shaded.tolist(), cv2.LINE_AA, 4
        )

    def shadow(self, points: Points, height: float, strength: float = 0.42) -> None:
        """Darkens the ground where the hull of some points keeps the sun off."""
        cast = [
            (x - _SUN[0] / _SUN[2] * (z - height), y - _SUN[1] / _SUN[2] * (z - height), height)
            for x, y, z in points
        ]
        hull = cv2.convexHull(self.pixels(cast)[0].astype(np.float32)).round().astype(np.int32)
        mask = np.zeros(self.image.shape[:2], np.float32)
        cv2.fillConvexPoly(mask, hull, 1.0, cv2.LINE_AA)
        self.image *= 1 - strength * cv2.GaussianBlur(mask, (0, 0), 3)[..., None]

    def box(self, low: Sequence[float], high: Sequence[float], colour: Colour) -> None:
        """A block; only the sides towards the eye are drawn, the far ones first."""
        (x1, y1, z1), (x2, y2, z2) = low, high
        self.face([(x1, y1, z2), (x2, y1, z2), (x2, y2, z2), (x1, y2, z2)], colour)
        x = x1 if _EYE[0] < x1 else x2
        self.face([(x, y1, z1), (x, y2, z1), (x, y2, z2), (x, y1, z2)], colour)
        self.face([(x1, y1, z1), (x2, y1, z1), (x2, y1, z2), (x1, y1, z2)], colour)

    def wall(self, x: float, y: Sequence[float], z: Sequence[float], colour: Colour) -> None:
        """An upright rectangle along the street."""
        self.face([(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])], colour)

    def ground(self, x: Sequence[float], y: Sequence[float], z: float, colour: Colour) -> None:
        """A level rectangle."""
        self.face([(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)], colour)

    def disc(self, centre: Sequence[float], radius: float, axis: str, colour: Colour) -> None:
        """A circle that faces along the street or across it."""
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        a, b = radius * np.cos(turn), radius * np.sin(turn)
        x, y, z = centre
        points = [
            (x, y + i, z + j) if axis == "x" else (x + i, y, z + j)
            for i, j in zip(a, b, strict=True)
        ]
        self.face(points, colour)


def street(scene: Scene) -> None:
    """Roadway, pavements and the houses on both sides."""
    scene.ground((-8, _KERB), (-7, 140), 0, (112, 106, 104))
    for y in np.arange(-6.0, 120, 6):
        scene.ground((-1.35, -1.20), (y, y + 3), 0.005, (226, 230, 232))
    scene.ground((-8, -5.4), (-7, 140), 0.01, (170, 172, 176))
    scene.ground((2.72, 2.84), (-7, 140), 0.005, (60, 190, 235))
    scene.wall(_KERB, (-7, 140), (0, _HIGH), (150, 154, 158))
    scene.ground((_KERB, _HOUSES), (-7, 140), _HIGH, (178, 184, 190))
    scene.ground((_KERB, _KERB + 0.25), (-7, 140), _HIGH + 0.002, (196, 200, 204))
    for y in np.arange(-6.5, 45, 1.1):
        scene.ground((_KERB + 0.25, _HOUSES), (y, y + 0.03), _HIGH + 0.003, (152, 158, 165))
    for x in np.arange(_KERB + 1.35, _HOUSES, 1.1):
        scene.ground((x, x + 0.03), (-7, 60), _HIGH + 0.003, (152, 158, 165))
    tones = [(150, 186, 214), (196, 206, 212), (134, 158, 196), (172, 196, 190), (160, 170, 206)]
    for number, y in reversed(list(enumerate(np.arange(-7.0, 120, 9.0)))):
        house(scene, -8.0, y, 9.5 + 1.7 * (number * 2 % 3), tones[(number + 2) % 5])
        house(scene, _HOUSES, y, 9.0 + 1.5 * (number * 7 % 4), tones[number % 5])


def house(scene: Scene, x: float, y: float, height: float, colour: Colour) -> None:
    """A front with a shop below and windows above."""
    out = -0.04 if x > 0 else 0.04
    scene.wall(x, (y, y + 9), (0, height), colour)
    scene.wall(x + out, (y, y + 9), (height - 0.3, height), (206, 212, 218))
    for left in (y + 0.7, y + 4.9):
        scene.wall(x + out, (left, left + 3.4), (0.5, 2.7), (96, 84, 72))
        scene.wall(x + 1.3 * out, (left + 0.15, left + 1.6), (0.65, 2.55), (140, 124, 104))
        edge = x + (-1.1 if x > 0 else 1.1)
        awning = [
            (x, left - 0.1, 3.3),
            (x, left + 3.5, 3.3),
            (edge, left + 3.5, 2.75),
            (edge, left - 0.1, 2.75),
        ]
        scene.face(awning, (72, 84, 190) if int(left) % 2 else (110, 140, 66))
    for floor in np.arange(4.1, height - 1.8, 2.7):
        for left in np.arange(y + 0.9, y + 8, 2.1):
            scene.wall(
                x + out, (left - 0.1, left + 1.2), (floor - 0.1, floor + 1.6), (222, 226, 230)
            )
            scene.wall(x + 1.2 * out, (left, left + 1.1), (floor, floor + 1.5), (128, 110, 92))


def tree(scene: Scene, x: float, y: float) -> None:
    """A street tree: a trunk and a crown of leaves in tufts."""
    rng = np.random.default_rng(round(y))
    scene.shadow(
        [(x + i, y + j, 4.2 + k) for i in (-1, 1) for j in (-1, 1) for k in (-1.1, 1)], _HIGH, 0.34
    )
    scene.box((x - 0.11, y - 0.11, _HIGH), (x + 0.11, y + 0.11, 3.4), (62, 82, 108))
    for _ in range(150):
        way = rng.normal(size=3)
        way *= 1.45 / np.linalg.norm(way) * rng.uniform(0.5, 1.0)
        tone = 0.72 + 0.34 * (way[2] / 1.45 - 0.4 * way[0] / 1.45)
        place = (x + way[0], y + way[1], 4.3 + way[2])
        scene.disc(place, rng.uniform(0.22, 0.42), "y", (78 * tone, 146 * tone, 108 * tone))


def van(scene: Scene, x: float, y: float, base: float, colour: Colour) -> None:
    """A delivery van, seen from behind and from its left: a profile drawn out sideways."""
    wide, z = 2.0, base
    side = [
        (0, 0.42),
        (0, 2.15),
        (0.15, 2.42),
        (3.75, 2.42),
        (4.55, 1.55),
        (5.45, 1.28),
        (5.5, 0.42),
    ]
    hull = [(x + i, y + a, z + b) for a, b in side for i in (0, wide)]
    scene.shadow(
        [*hull, (x, y, z), (x + wide, y, z), (x, y + 5.5, z), (x + wide, y + 5.5, z)], z, 0.5
    )
    for a, b in ((0.95, 0.36), (4.45, 0.36)):
        scene.disc((x + wide - 0.25, y + a, z + b), 0.30, "x", (40, 38, 36))
    for (a, b), (c, d) in reversed(list(pairwise(side[1:]))):
        scene.face(
            [
                (x, y + a, z + b),
                (x + wide, y + a, z + b),
                (x + wide, y + c, z + d),
                (x, y + c, z + d),
            ],
            colour,
        )
    scene.face([(x, y + a, z + b) for a, b in side], colour)
    dark, trim = (74, 62, 52), (120, 116, 112)
    scene.wall(x - 0.01, (y + 0.02, y + 5.48), (z + 0.42, z + 0.62), trim)
    window = [(3.35, 1.5), (3.35, 2.2), (3.8, 2.2), (4.35, 1.58), (4.3, 1.5)]
    scene.face([(x - 0.02, y + a, z + b) for a, b in window], dark)
    scene.wall(x - 0.02, (y + 0.35, y + 2.9), (z + 1.02, z + 1.30), (188, 134, 60))
    for line in (1.55, 3.2, 4.35):
        scene.wall(x - 0.015, (y + line, y + line + 0.025), (z + 0.62, z + 2.2), trim)
    for a in (0.95, 4.45):
        scene.disc((x - 0.02, y + a, z + 0.36), 0.40, "x", (44, 42, 40))
        scene.disc((x - 0.03, y + a, z + 0.36), 0.21, "x", (176, 174, 172))
    back = y - 0.01
    scene.face(
        [
            (x, back, z + 0.42),
            (x + wide, back, z + 0.42),
            (x + wide, back, z + 2.15),
            (x, back, z + 2.15),
        ],
        colour,
    )
    for left in (0.16, 1.08):
        plate_of(scene, x + left, back - 0.01, z + 1.35, (0.76, 0.66), dark)
    plate_of(scene, x + 0.985, back - 0.01, z + 0.5, (0.03, 1.6), trim)
    for left in (0.03, 1.85):
        plate_of(scene, x + left, back - 0.01, z + 0.85, (0.12, 0.5), (48, 44, 196))
    plate_of(scene, x + 0.72, back - 0.02, z + 0.66, (0.56, 0.16), (214, 236, 240))
    plate_of(scene, x, back - 0.01, z + 0.40, (wide, 0.14), trim)


def plate_of(
    scene: Scene, x: float, y: float, z: float, size: tuple[float, float], colour: Colour
) -> None:
    """An upright rectangle across the street, ``size`` wide and high."""
    w, h = size
    scene.face([(x, y, z), (x + w, y, z), (x + w, y, z + h), (x, y, z + h)], colour)


def person(scene: Scene, x: float, y: float, coat: Colour, stride: float) -> list[float]:
    """Somebody walking; returns the box in the finished picture."""
    z = _HIGH
    scene.shadow(
        [(x + i, y + j, z + k) for i in (-0.2, 0.2) for j in (-0.1, 0.1) for k in (0, 1.7)], z
    )
    for foot in (-stride, stride):
        leg = [
            (x - 0.09, y, z + 0.86),
            (x + 0.09, y, z + 0.86),
            (x + 0.08 + foot, y, z),
            (x - 0.08 + foot, y, z),
        ]
        scene.face(leg, (84, 62, 48))
    body = [(-0.2, 0.78), (-0.24, 1.3), (-0.15, 1.46), (0.15, 1.46), (0.24, 1.3), (0.2, 0.78)]
    scene.face([(x + a, y, z + b) for a, b in body], coat)
    scene.disc((x, y, z + 1.6), 0.13, "y", (140, 172, 214))
    scene.disc((x, y + 0.01, z + 1.65), 0.13, "y", (40, 48, 60))
    flat = scene.pixels([(x - 0.3, y, z), (x + 0.3, y, z + 1.78)])[0] / _FINER
    return [flat[0, 0], flat[1, 1], flat[1, 0], flat[0, 1]]


def draw() -> NDArray[np.uint8]:
    """The street as evidence of a case, uint8 (H, W, 3) BGR."""
    scene = Scene()
    street(scene)
    for y in (40.0, 31.0, 22.0):
        tree(scene, 3.7, y)
    van(scene, -0.6, 36.0, 0.0, (160, 122, 92))
    people = [person(scene, 6.3, 17.5, (150, 96, 62), 0.22)]
    van(scene, 2.35, 4.2, 0.03, (236, 238, 240))
    people.append(person(scene, 5.75, 3.4, (66, 78, 176), 0.26))
    small = cv2.resize(scene.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    image = np.clip(small, 0, 255).astype(np.uint8)
    corners, _ = scene.pixels(
        [(x, y, z) for x in (2.35, 4.35) for y in (4.2, 9.7) for z in (0.03, 2.45)]
    )
    low, high = corners.min(axis=0) / _FINER, corners.max(axis=0) / _FINER
    zone, _ = scene.pixels(
        [(_KERB, -6.9, _HIGH), (_HOUSES, -6.9, _HIGH), (_HOUSES, 60, _HIGH), (_KERB, 60, _HIGH)]
    )
    return evidence(image, (low[0], low[1], high[0], high[1]), Polygon(zone / _FINER), people)


def evidence(
    image: NDArray[np.uint8],
    box: tuple[float, float, float, float],
    zone: Polygon,
    people: list[list[float]],
) -> NDArray[np.uint8]:
    """What the program makes of such a still: the shareable overview of a case."""
    others = sv.Detections(
        xyxy=np.array(people, np.float32),
        confidence=np.full(len(people), 0.9, np.float32),
        data={"class_name": np.array(["person"] * len(people))},
    )
    began = datetime(2026, 5, 1, 0, 12, 40, tzinfo=UTC)
    end = began + timedelta(minutes=5)
    place = Place({"type": "Point", "coordinates": [121.54402, 29.86851]}, 0.6, "homography", box)
    finding = Finding(
        *("motor_vehicle_parked", "market-street", "pavement", place, began, end),
        confidence=0.93,
        attributes={"limit_s": 300.0, "vehicle": "truck"},
    )
    still = Still("limit", end, redact(image, box, others), box, others)
    clock = ClockError(-0.2, None, GIVEN, None)
    lines = caption(finding, still, ZoneInfo("Asia/Shanghai"), clock, "frame 7626 of clip.mp4")
    return annotate(still, zone, lines)


if __name__ == "__main__":
    cv2.imwrite(
        str(Path(__file__).with_name("evidence.jpg")), draw(), [cv2.IMWRITE_JPEG_QUALITY, 90]
    )
