"""Light that changes while nothing else does: each effect changes the luminance of a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]


class Effect(Protocol):
    """Something that changes the luminance."""

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance, uint8 ``(height, width)``, at a time in seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Exposure:
    """The camera's exposure: a slow drift, and perhaps one jump.

    Attributes:
        amplitude: Largest share of brightness gained or lost.
        period_s: Of the drift.
        phase: Of the drift, radians.
        jump_s: When the exposure jumps.
        jump: Factor from then on, reached within a second; 1 for none.
    """

    amplitude: float
    period_s: float
    phase: float
    jump_s: float = 0.0
    jump: float = 1.0

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance times the gain."""
        gain = 1 + self.amplitude * math.sin(2 * math.pi * time_s / self.period_s + self.phase)
        gain *= 1 + (self.jump - 1) * float(np.clip(time_s - self.jump_s, 0, 1))
        return np.asarray(cv2.convertScaleAbs(luma, alpha=gain), np.uint8)


class Clouds:
    """Soft shadows of clouds that pass over the whole view."""

    def __init__(self, rng: np.random.Generator, depth: float, speed: float) -> None:
        """A field of clouds.

        Args:
            rng: Draws the clouds.
            depth: Share of the light lost in the middle of a cloud's shadow.
            speed: Coarse pixels a second.
        """
        field_ = cv2.GaussianBlur(rng.normal(size=(96, 512)).astype(np.float32), (0, 0), 14)
        level = (field_ - field_.min()) / np.ptp(field_)
        self._mask = (255 * (1 - depth * np.clip(2 * level - 0.6, 0, 1))).astype(np.uint8)
        self._speed = speed

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance under the clouds of that moment."""
        height, width = luma.shape
        across = min(400, 40 * width // height)
        # There and back, so that a long scene has no jump.
        most = self._mask.shape[1] - across - 1
        left = most - abs(self._speed * time_s % (2 * most) - most)
        move = np.array([[1, 0, -left], [0, 1, 0]], np.float64)
        part = cv2.warpAffine(self._mask, move, (across, 40))
        mask = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.multiply(luma, mask, scale=1 / 255), np.uint8)


@dataclass(slots=True)
class Shadow:
    """A shadow with a sharp edge that moves over the ground, perhaps stops and stays.

    Attributes:
        corners: ``(n, 2)`` pixels at the time 0.
        velocity: Pixels a second, right and down.
        from_s: Start of the movement.
        until_s: End of the movement.
        depth: Share of the light lost.
        soft: Standard deviation of its edge, pixels.
    """

    corners: NDArray[np.float64]
    velocity: tuple[float, float]
    from_s: float
    until_s: float
    depth: float
    soft: float
    _mask: Luma | None = field(default=None, init=False)
    _moved_s: float = field(default=-1.0, init=False)

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance with the shadow of that moment."""
        moved_s = float(np.clip(time_s, self.from_s, self.until_s)) - self.from_s
        if self._mask is None or self._mask.shape != luma.shape or moved_s != self._moved_s:
            self._mask, self._moved_s = self._drawn(luma, moved_s), moved_s
        return np.asarray(cv2.multiply(luma, self._mask, scale=1 / 255), np.uint8)

    def _drawn(self, luma: Luma, moved_s: float) -> Luma:
        mask = np.full(luma.shape, 255, np.uint8)
        corners = self.corners + np.array(self.velocity) * moved_s
        fixed = np.rint(corners * 16).astype(np.int32)
        cv2.fillPoly(mask, [fixed], round(255 * (1 - self.depth)), cv2.LINE_AA, 4)
        if self.soft > 0.4:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), self.soft), np.uint8)
        return mask


class Lamp:
    """A lamp that is switched on, perhaps flickers first, and stays on or goes out."""

    def __init__(
        self,
        size: tuple[int, int],
        place: tuple[float, float],
        radius: float,
        level: float,
        on_s: float,
        off_s: float,
    ) -> None:
        """A lamp's glow on the ground.

        Args:
            size: Width and height of the picture.
            place: Middle of the glow, pixels.
            radius: Of the glow, pixels.
            level: Brightness added in the middle, levels.
            on_s: Time of switching on.
            off_s: Time of going out.
        """
        self._glow = glow(size, place, (radius, radius * 0.5), level)
        self._on_s, self._off_s = on_s, off_s

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance with the lamp's glow while it burns."""
        since = time_s - self._on_s
        flickers = 0 <= since < 1.2 and int(since * 10) % 3 == 1
        if not self._on_s <= time_s < self._off_s or flickers:
            return luma
        return np.asarray(cv2.add(luma, self._glow), np.uint8)


@dataclass(frozen=True, slots=True)
class Headlight:
    """The beam of a vehicle outside the view that sweeps over the ground.

    Attributes:
        start: Middle of the glow at ``from_s``, pixels.
        end: The same at ``until_s``.
        radii: Of the glow, pixels, across and down.
        level: Brightness added in the middle, levels.
        from_s: Time of appearing.
        until_s: Time of disappearing.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    radii: tuple[float, float]
    level: float
    from_s: float
    until_s: float

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance with the beam of that moment."""
        if not self.from_s <= time_s < self.until_s:
            return luma
        way = (time_s - self.from_s) / (self.until_s - self.from_s)
        x = self.start[0] + (self.end[0] - self.start[0]) * way
        y = self.start[1] + (self.end[1] - self.start[1]) * way
        return np.asarray(
            cv2.add(luma, glow((luma.shape[1], luma.shape[0]), (x, y), self.radii, self.level)),
            np.uint8,
        )


@dataclass(frozen=True, slots=True)
class Blinkers:
    """The hazard lights of a vehicle that stands.

    Attributes:
        places: Middles of the lights, pixels.
        radius: Standard deviation of each glow, pixels.
        level: Brightness added in the middle, levels.
        from_s: Time of switching on.
        until_s: Time of switching off.
    """

    places: tuple[tuple[float, float], ...]
    radius: float
    level: float
    from_s: float
    until_s: float

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance with the lights, which are lit two thirds of a second in 1.4 s."""
        if not self.from_s <= time_s < self.until_s or (time_s - self.from_s) % 1.4 > 0.67:
            return luma
        size = luma.shape[1], luma.shape[0]
        for place in self.places:
            luma = np.asarray(
                cv2.add(luma, glow(size, place, (self.radius, self.radius), self.level)), np.uint8
            )
        return luma


class Glare:
    """Glints on wet ground that grow and shrink."""

    def __init__(
        self,
        rng: np.random.Generator,
        size: tuple[int, int],
        corners: NDArray[np.float64],
        level: float,
    ) -> None:
        """Glints within the ground's corners.

        Args:
            rng: Draws the glints.
            size: Width and height of the picture.
            corners: Of the ground, pixels.
            level: Brightness of the strongest, levels.
        """
        coarse = (max(2, size[0] // 6), max(2, size[1] // 3))
        grain = cv2.GaussianBlur(rng.normal(size=coarse[::-1]).astype(np.float32), (0, 0), 2.0)
        grain = np.clip(grain / grain.std() - 1.2, 0, 2) / 2
        ground = np.zeros((size[1], size[0]), np.float32)
        cv2.fillPoly(ground, [np.rint(corners).astype(np.int32)], 1.0)
        glints = cv2.resize(grain, size, interpolation=cv2.INTER_LINEAR) * ground
        self._glints = (level * glints).astype(np.uint8)
        self._period_s = float(rng.uniform(6, 25))

    def apply(self, luma: Luma, time_s: float) -> Luma:
        """The luminance with the glints as strong as at that moment."""
        share = 0.5 + 0.5 * math.sin(2 * math.pi * time_s / self._period_s)
        return np.asarray(cv2.addWeighted(luma, 1.0, self._glints, share, 0), np.uint8)


def glow(
    size: tuple[int, int], place: tuple[float, float], radii: tuple[float, float], level: float
) -> Luma:
    """A soft ellipse of light.

    Args:
        size: Width and height of the picture.
        place: Middle of the ellipse, pixels.
        radii: Standard deviations across and down, pixels.
        level: Brightness in the middle, levels.
    """
    x = np.exp(-(((np.arange(size[0]) - place[0]) / radii[0]) ** 2) / 2)
    y = np.exp(-(((np.arange(size[1]) - place[1]) / radii[1]) ** 2) / 2)
    return np.outer(y * min(level, 255.0), x).astype(np.uint8)
