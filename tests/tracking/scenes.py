"""Drawn scenes for a fixed camera: seeded textures, so that no two surfaces are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.scene.background import Region

WIDTH, HEIGHT = 320, 192
NOISE_LEVELS = 2.0  # of the sensor, grey levels

Gray = NDArray[np.uint8]
Floats = NDArray[np.float32]
Picture = NDArray[np.float64]
Corners = tuple[int, int, int, int]
Seen = tuple[str, Corners] | tuple[str, Corners, float]


def texture(
    seed: int, width: int, height: int, low: float = 60, high: float = 190, grain: int = 6
) -> Picture:
    """Patches of ``grain`` pixels, softened by a lens; shape (height, width)."""
    return _texture(seed, width, height, low, high, grain).copy()


@lru_cache(maxsize=512)
def _texture(seed: int, width: int, height: int, low: float, high: float, grain: int) -> Picture:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(low, high, (height // grain + 1, width // grain + 1))
    fine = np.kron(coarse, np.ones((grain, grain)))[:height, :width]
    return np.asarray(cv2.GaussianBlur(fine, (0, 0), 0.8), np.float64)


def ground(seed: int = 1) -> Picture:
    """Paving."""
    return texture(seed, WIDTH, HEIGHT, 95, 155, grain=8)


def put(picture: Picture, corners: Corners, seed: int, low: float = 0, high: float = 255) -> None:
    """Puts an opaque thing with a texture of its own into a picture; what sticks out is cut."""
    x1, y1, x2, y2 = corners
    thing = _texture(seed, x2 - x1, y2 - y1, low, high, 11)
    left, top = max(0, x1), max(0, y1)
    right, bottom = min(picture.shape[1], x2), min(picture.shape[0], y2)
    if right > left and bottom > top:
        picture[top:bottom, left:right] = thing[top - y1 : bottom - y1, left - x1 : right - x1]


def shot(picture: Picture, seed: int, gain: float = 1.0, offset: float = 0.0) -> Gray:
    """What the sensor makes of it: light, noise, eight bits."""
    seen = picture * gain
    seen += offset
    seen += _noise(1000 + seed, picture.shape)
    return np.asarray(np.clip(seen, 0, 255, out=seen), np.uint8)


# Drawing noise takes longer than all that is tested, and the tests of a file share it.
@lru_cache(maxsize=256)
def _noise(seed: int, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(seed).normal(0, NOISE_LEVELS, shape).astype(np.float32)


def detections(seen: Sequence[Seen]) -> sv.Detections:
    """The detector's result: names, boxes and, where not 0.8, confidences."""
    if not seen:
        return sv.Detections.empty()
    return sv.Detections(
        np.array([entry[1] for entry in seen], np.float32),
        confidence=np.array([entry[2] if len(entry) == 3 else 0.8 for entry in seen], np.float32),
        class_id=np.zeros(len(seen), int),
        data={"class_name": np.array([entry[0] for entry in seen])},
    )


@dataclass(frozen=True)
class Thing:
    """Something opaque in the scene.

    Attributes:
        name: What the detector calls it; empty for what it does not know.
        corners: Box at the first moment.
        seed: Of its texture.
        first_s: When it appears.
        last_s: When it is gone.
        speed: Pixels per second to the right.
    """

    name: str
    corners: Corners
    seed: int
    first_s: float = -np.inf
    last_s: float = np.inf
    speed: float = 0.0

    def at(self, time_s: float) -> Corners | None:
        """The box at a moment, ``None`` while the thing is not there."""
        if not self.first_s <= time_s < self.last_s:
            return None
        x1, y1, x2, y2 = self.corners
        moved = round(self.speed * (time_s - self.first_s)) if self.speed else 0
        return x1 + moved, y1, x2 + moved, y2


@dataclass
class Truth:
    """A perfect verifier of what was drawn last.

    Attributes:
        boxes: Boxes of what stands there now and did not at first.
    """

    boxes: list[Corners] = field(default_factory=list)

    def __call__(
        self, _before: Floats, now: Floats, regions: Sequence[Region]
    ) -> NDArray[np.float32]:
        """Sure of a thing where most of a region lies in one of the boxes."""
        inside = np.zeros(now.shape, np.bool_)
        for x1, y1, x2, y2 in self.boxes:
            inside[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = True
        shares = [
            np.count_nonzero(inside[region.window] & region.mask) / region.area
            for region in regions
        ]
        return np.where(np.array(shares) > 0.5, 4.0, -4.0).astype(np.float32)


#: The verifier of all drawn scenes of a process: drawing a picture tells it what is there.
TRUTH = Truth()


@dataclass(frozen=True)
class Scene:
    """Things on the ground, later ones before earlier ones."""

    things: list[Thing] = field(default_factory=list)
    ground: Picture = field(default_factory=ground)

    def drawn(self, time_s: float) -> Picture:
        """The scene without light and noise, shape (HEIGHT, WIDTH)."""
        drawn = self.ground.copy()
        TRUTH.boxes = []
        for thing in self.things:
            corners = thing.at(time_s)
            if corners is not None:
                put(drawn, corners, thing.seed)
                TRUTH.boxes += [corners] if thing.first_s > -np.inf else []
        return drawn

    def picture(self, time_s: float, gain: float = 1.0, offset: float = 0.0) -> Gray:
        """Grey, shape (HEIGHT, WIDTH)."""
        return shot(self.drawn(time_s), round(time_s * 100), gain, offset)

    def detections(self, time_s: float) -> sv.Detections:
        """A perfect detector: everything that has a name and is mostly visible."""
        seen: list[Seen] = []
        here = [(thing, corners) for thing in self.things if (corners := thing.at(time_s))]
        for index, (thing, (x1, y1, x2, y2)) in enumerate(here):
            hidden = any(_hides(before, (x1, y1, x2, y2)) for _, before in here[index + 1 :])
            middle = (x1 + x2) / 2
            if thing.name and not hidden and 0 < middle < WIDTH:
                seen.append((thing.name, (max(0, x1), y1, min(WIDTH, x2), y2)))
        return detections(seen)


def _hides(before: Corners, behind: Corners) -> bool:
    """Whether more than 60 % of a box lie behind another."""
    width = min(before[2], behind[2]) - max(before[0], behind[0])
    height = min(before[3], behind[3]) - max(before[1], behind[1])
    area = (behind[2] - behind[0]) * (behind[3] - behind[1])
    return width > 0 and height > 0 and width * height > 0.6 * area
