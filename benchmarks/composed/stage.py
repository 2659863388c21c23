"""The place of a scene while it is drawn: who is available, where things fit, how people come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.composed.actors import Actor, Box, Key, glide
from benchmarks.composed.cutouts import Cutout
from benchmarks.composed.view import View

#: Shares of the frame's width.
SIZES = {"tiny": (0.015, 0.03), "small": (0.03, 0.07), "medium": (0.07, 0.15), "large": (0.15, 0.3)}
#: Heights, metres.
HEIGHTS = {
    "backpack": 0.5,
    "bench": 0.8,
    "bicycle": 1.05,
    "bin": 1.1,
    "board": 1.3,
    "book": 0.35,
    "bottle": 0.35,
    "bowl": 0.3,
    "bus": 3.0,
    "cake": 0.35,
    "car": 1.5,
    "carton": 0.5,
    "chair": 0.9,
    "clock": 0.4,
    "cup": 0.3,
    "handbag": 0.35,
    "motorcycle": 1.1,
    "oven": 0.9,
    "person": 1.7,
    "potted plant": 0.7,
    "refrigerator": 1.7,
    "rubbish": 0.8,
    "sack": 0.5,
    "skip": 1.6,
    "snowboard": 1.4,
    "suitcase": 0.7,
    "teddy bear": 0.5,
    "toilet": 0.75,
    "truck": 2.4,
    "tv": 0.6,
    "umbrella": 0.9,
    "vase": 0.6,
}
#: Things that come on a vehicle, not in a hand.
TIPPED = ("rubbish", "skip", "cartons", "bags")
_USUAL_M = 0.5
_WIDEST = 1.4  # width of goods, in usual heights
_MOST_ENLARGED = 1.8  # of a cutout: beyond, its pixels show
_LEAST_PX = 4
_TRIES = 400
_WALK_M_S = (1.0, 1.6)
_DRIVE_M_S = (4.0, 8.0)
_DEPTH = 0.6  # share of a length on the ground that remains when seen along the view
_EDGE = 0.10  # of the frame: ground that ends so near to an edge continues outside
_FAR = 0.05  # of the frame's height: a vehicle so small may come out of nothing


def height_of(cutout: Cutout) -> float:
    """Height of an object, metres; of lying goods less, so that none is wider than it can be."""
    height_m = HEIGHTS.get(cutout.word, _USUAL_M)
    if cutout.group != "goods" or cutout.word in TIPPED:
        return height_m
    height, width = cutout.alpha.shape
    return height_m * min(1.0, float(_WIDEST * height / width))


@dataclass(frozen=True, slots=True)
class Props:
    """The objects of one scene."""

    persons: Sequence[Cutout]
    vehicles: Sequence[Cutout]
    goods: Sequence[Cutout]


@dataclass(frozen=True, slots=True)
class Spot:
    """A thing and where it stands: the middle of its foot, and its size in pixels."""

    cutout: Cutout
    height_m: float
    x: float
    y: float
    width: float
    height: float

    @property
    def box(self) -> Box:
        """The box, xyxy."""
        half = self.width / 2
        return (self.x - half, self.y - self.height, self.x + half, self.y)


@dataclass(slots=True)
class Stage:
    """Everything that the plots of a scene draw from.

    Attributes:
        rng: The scene's generator.
        view: The empty view.
        props: The objects.
        dwell_s: The dwell for which the scene is made.
        length_s: Length of the scene.
        taken: Boxes of places that are in use.
        seen: Names of the persons who are in the scene.
    """

    rng: np.random.Generator
    view: View
    props: Props
    dwell_s: float
    length_s: float
    taken: list[Box] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def uniform(self, low: float, high: float) -> float:
        """A number of the scene."""
        return float(self.rng.uniform(low, high))

    def spot(self, cutouts: Sequence[Cutout], size: str | None) -> Spot | None:
        """A thing of one of these cutouts where it fits, in a size class if possible."""
        low, high = SIZES[size] if size is not None else (SIZES["tiny"][0], SIZES["large"][1])
        for attempt in range(_TRIES):
            # Sizes out of the ordinary only where no ordinary thing fits.
            liberty = 1.2 if attempt < _TRIES / 2 else 1.4
            spot = self._try_spot(cutouts, liberty)
            if spot is not None and low <= spot.width / self.view.size[0] <= high:
                self.taken.append(spot.box)
                return spot
        return None

    def _try_spot(self, cutouts: Sequence[Cutout], liberty: float) -> Spot | None:
        cutout = cutouts[int(self.rng.integers(len(cutouts)))]
        width, height = self.view.size
        corners = self.view.ground.polygon
        y = self.uniform(max(2.0, corners[:, 1].min()), min(height * 0.98, corners[:, 1].max()))
        span = self.view.ground.span(y)
        if span is None:
            return None
        x = self.uniform(*span)
        height_m = height_of(cutout) * self.uniform(1 / liberty, liberty)
        high = height_m * self.view.ground.metre(y)
        wide = high * cutout.alpha.shape[1] / cutout.alpha.shape[0]
        spot = Spot(cutout, height_m, x, y, wide, high)
        fits = x - wide / 2 > 2 and x + wide / 2 < width - 2 and y - high > 2
        is_clear = high / cutout.alpha.shape[0] <= _MOST_ENLARGED and min(wide, high) >= _LEAST_PX
        return spot if fits and is_clear and not self._is_taken(spot.box) else None

    def _is_taken(self, box: Box) -> bool:
        near = 0.4 * max(box[2] - box[0], box[3] - box[1])
        return any(
            box[0] - near < x1 and x0 < box[2] + near and box[1] - near < y1 and y0 < box[3] + near
            for x0, y0, x1, y1 in self.taken
        )

    def person(self, keys: Sequence[Key]) -> Actor:
        """Somebody with a path."""
        tallest = max(self.view.ground.metre(key.y) for key in keys) * 1.7
        # No person twice, and none enlarged so far that pixels show, as long as there are others.
        people = self.props.persons
        new = [person for person in people if person.name not in self.seen] or list(people)
        sharp = [p for p in new if tallest / p.alpha.shape[0] <= _MOST_ENLARGED]
        sharp = sharp or sorted(new, key=lambda p: -p.alpha.shape[0])[:3]
        cutout = sharp[int(self.rng.integers(len(sharp)))]
        self.seen.add(cutout.name)
        height_m = self.uniform(1.55, 1.85)
        mirrored = bool(self.rng.random() < 0.5)
        return Actor(cutout, height_m, keys, walks=True, mirrored=mirrored)

    def walking_speed(self, y: float) -> float:
        """Pixels a second of somebody who walks at a row."""
        return self.uniform(*_WALK_M_S) * self.view.ground.metre(y)

    def gate(self, x: float, y: float) -> tuple[float, float]:
        """A place outside the picture from which somebody comes to, or goes from, a place."""
        width, height = self.view.size
        span = self.view.ground.span(y) or (x, x)
        person = 1.9 * self.view.ground.metre(y)
        sides = []
        if span[0] < _EDGE * width:
            sides.append((-person, y))
        if span[1] > (1 - _EDGE) * width:
            sides.append((width + person, y))
        bottom = self.view.ground.span(min(height - 1.0, self.view.ground.polygon[:, 1].max() - 1))
        if bottom is not None and not sides:
            below = height + 1.95 * self.view.ground.metre(height) * 1.3
            return float(np.clip(x, *bottom)), below
        if not sides:
            sides = [(-person, y), (width + person, y)]
        return sides[int(self.rng.integers(len(sides)))]

    def approach(
        self, x: float, y: float, arrive_s: float, speed: float | None = None
    ) -> list[Key]:
        """Keys of somebody who comes from outside and arrives at a moment."""
        start = self.gate(x, y)
        lasts_s = self.way_s(start, (x, y), speed)
        return [Key(arrive_s - lasts_s, *start), Key(arrive_s, x, y)]

    def depart(self, x: float, y: float, leave_s: float, speed: float | None = None) -> list[Key]:
        """Keys of somebody who leaves at a moment and walks out of the picture."""
        end = self.gate(x, y)
        lasts_s = self.way_s((x, y), end, speed)
        return [Key(leave_s, x, y), Key(leave_s + lasts_s, *end)]

    def way_s(
        self, start: tuple[float, float], end: tuple[float, float], speed: float | None = None
    ) -> float:
        """Seconds for a walk; ``speed`` in pixels a second, drawn where it is ``None``."""
        across, along = end[0] - start[0], (end[1] - start[1]) / _DEPTH
        pace = speed or self.walking_speed((start[1] + end[1]) / 2)
        return math.hypot(across, along) / max(1.0, pace)

    def drive_in(self, spot: Spot, stop_s: float) -> list[Key]:
        """Keys of a vehicle that comes from outside and stops at its spot."""
        start, lasts_s = self._road(spot)
        return glide(start, (spot.x, spot.y), stop_s - lasts_s, stop_s, stops=True)

    def drive_off(self, spot: Spot, leave_s: float) -> list[Key]:
        """Keys of a vehicle that leaves its spot and the picture."""
        end, lasts_s = self._road(spot)
        return glide((spot.x, spot.y), end, leave_s, leave_s + lasts_s, starts=True)

    def _road(self, spot: Spot) -> tuple[tuple[float, float], float]:
        """Where a vehicle enters or leaves, and for how long it drives there."""
        width, height = self.view.size
        ground = self.view.ground
        if spot.width > 1.7 * spot.height:  # seen from the side
            left = bool(self.rng.random() < spot.x / width if width else False)
            outside = (-spot.width if not left else width + spot.width, spot.y)
        else:
            far = max(ground.row_of(_FAR * height / spot.height_m), 1.0)
            is_far = far < spot.y and ground.metre(far) > 0 and self.rng.random() < 0.5
            top = float(ground.polygon[:, 1].min())
            if is_far and far >= top - 0.08 * height:
                middle = ground.span(max(far, top + 1)) or (spot.x, spot.x)
                outside = ((middle[0] + middle[1]) / 2, far)
            else:
                below = height + 1.1 * spot.height_m * ground.metre(height) * 1.4
                outside = (spot.x + self.uniform(-0.1, 0.1) * width, below)
        metres = math.dist(outside, (spot.x, spot.y)) / max(1.0, ground.metre(spot.y))
        # Half the speed on average, since it brakes or speeds up all the way.
        return outside, float(np.clip(2 * metres / self.uniform(*_DRIVE_M_S), 2.5, 9.0))
