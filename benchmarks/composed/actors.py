"""What moves and rests in a scene: an object with a path over the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.cutouts import Cutout
from benchmarks.composed.ground import Ground

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Key:
    """Where an actor is at one moment; between two keys the motion is even.

    Attributes:
        time_s: Seconds from the start of the scene; may be negative.
        x: Column of the middle of its foot, canvas pixels.
        y: Row of its foot.
        lift_m: Height above the ground, metres.
        turn: Rotation about the foot, degrees, for what falls over.
    """

    time_s: float
    x: float
    y: float
    lift_m: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an actor is drawn: foot, height in pixels, lift in pixels, turn in degrees."""

    x: float
    y: float
    height: float
    lift: float
    turn: float


@dataclass(frozen=True)
class Actor:
    """One object of the scene.

    Attributes:
        cutout: The picture.
        height_m: Height, metres.
        keys: The path, in order of time; the actor exists from the first to the last key.
        walks: Whether legs move while the actor moves.
        mirrored: Whether the picture is mirrored.
        low_contrast: Whether the tones are close to those of the ground behind it.
    """

    cutout: Cutout
    height_m: float
    keys: Sequence[Key]
    walks: bool = False
    mirrored: bool = False
    low_contrast: bool = False

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        return np.array([(k.time_s, k.x, k.y, k.lift_m, k.turn) for k in self.keys])

    def pose(self, time_s: float, ground: Ground) -> Pose | None:
        """Where the actor is; ``None`` before its first and from its last key on."""
        table = self._table
        if not table[0, 0] <= time_s < table[-1, 0]:
            return None
        x, y, lift, turn = (float(np.interp(time_s, table[:, 0], table[:, i])) for i in range(1, 5))
        metre = ground.metre(y)
        return Pose(x, y, self.height_m * metre, lift * metre, turn)

    def is_moving(self, time_s: float) -> bool:
        """Whether the actor changes place or attitude at a time."""
        table = self._table
        after = int(np.searchsorted(table[:, 0], time_s, side="right"))
        if after == 0 or after == len(table):
            return False
        return bool(np.any(table[after - 1, 1:] != table[after, 1:]))

    def box(self, pose: Pose) -> Box:
        """The box of a pose, xyxy: of the upright or fallen picture."""
        height, width = self.cutout.alpha.shape
        wide, high = pose.height * width / height, pose.height
        if abs(pose.turn) > 45:
            wide, high = high, wide
        bottom = pose.y - pose.lift
        return (pose.x - wide / 2, bottom - high, pose.x + wide / 2, bottom)


def walk(
    start: tuple[float, float], end: tuple[float, float], speed: float, begin_s: float
) -> list[Key]:
    """Keys of an even walk at ``speed`` pixels a second that begins at ``begin_s``."""
    length = math.dist(start, end)
    return [Key(begin_s, *start), Key(begin_s + length / max(1.0, speed), *end)]


def glide(
    start: tuple[float, float],
    end: tuple[float, float],
    begin_s: float,
    end_s: float,
    *,
    stops: bool = False,
    starts: bool = False,
) -> list[Key]:
    """Keys of a vehicle's way between two places, slowing down to stop or speeding up from rest."""
    keys = []
    for step in np.linspace(0, 1, 13):
        way = 1 - (1 - step) ** 2 if stops else step**2 if starts else step
        x = start[0] + (end[0] - start[0]) * way
        y = start[1] + (end[1] - start[1]) * way
        keys.append(Key(begin_s + (end_s - begin_s) * float(step), float(x), float(y)))
    return keys
