"""Finds clouds and their shadows in one of two looks at a place."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.look import Look
from satellite.morphology import (
    Mask,
    Plane,
    closed,
    dilated,
    eroded,
    filled,
    holds,
    opened,
    side,
    spread,
    touching,
)

# Cloud: the darkest of red, green and blue in its core, grey levels, and how much brighter that is
# than at the other date. Thinner parts follow from the core outwards.
_CLOUD_LEVEL = 150.0
_CLOUD_LIFT = 45.0
# Difference of the bands of something white, in shares of its brightness.
_WHITE = 0.12
# Standard deviation of its brightness within some metres: roofs with ridges, yards with cars have more.
_SMOOTH = 14.0
_SMOOTH_M = 8.0
# Radius of the largest disc that must fit into a core, metres and coarser pixels.
_CORE_M = 8.0
_CORE_PX = 2.0
# Width of a core's edge, metres and pixels: the step from its inside to its surroundings over the gradient
# between. Clouds fade over ten metres and more, roofs end within two or three pixels. And the share of
# a cloud's edge that may be sharper, where a roof shows through.
_SOFT_M = 5.0
_SOFT_PX = 3.5
_SHARP = 0.8
# The step of an edge is at least taken as so many grey levels: smaller ones drown in noise.
_LEAST_STEP = 20.0
# How much finer than the rest a core's edge is looked at.
_FINER = 2
# How far around a core its fringe may reach, and what is still fringe: lift in grey levels, about a tenth of
# what a cloud lifts the ground.
_FRINGE_M = 40.0
_FRINGE_LIFT = 16.0
# What is added around clouds and shadows.
_AROUND_M = 3.0

# Shadow: brightness in shares of the other date's, in its middle and at its edge, and the edge's reach;
# how far it lies from its cloud; how much of the moved outline of all clouds must be dark, by how much more
# than the rest of the window, the area of it that must be in sight, and how much more than there may be as dark
# around it, over so many metres. The search is at pixels of so many metres.
_SHADE = 0.8
_SHADE_FRINGE = 0.87
_SHADE_REACH_M = 15.0
_SHADE_FAR_M = 400.0
_SHADE_SHARE = 0.6
_SHADE_CONTRAST = 0.3
_SHADE_M2 = 700.0
_SHADE_RIM = 0.18
_SHADE_RIM_M = 20.0
_HALF = 0.5
# Directions that are told apart, and how far from the one away from the sun a shadow may lie, radians.
DIRECTIONS = 24
_SHADE_APART = 0.4
_SHADE_PX_M = 8.0


def cloud_core(look: Look, other: Look, held: Mask) -> Mask:
    """What is as bright, white, smooth and large as a cloud, has soft edges, and is there once."""
    white = look.tint < _WHITE * look.most
    bright = (look.least > _CLOUD_LEVEL) & (look.least - other.least > _CLOUD_LIFT)
    like = (white & bright & (held > 0)).astype(np.uint8)
    if not holds(like, _CORE_M * look.metre):
        return np.zeros_like(like)
    smooth = spread(look.light, _SMOOTH_M * look.metre) < _SMOOTH
    core = opened(like & smooth.astype(np.uint8), max(_CORE_M * look.metre, _CORE_PX))
    if not core.any():
        return core
    return _soft(dilated(core, _SMOOTH_M * look.metre / 2) & like, look)  # up to its edge


def cloud_around(look: Look, other: Look, core: Mask) -> Mask:
    """A cloud from its core outwards: the fringe lifts the ground, and pales it."""
    near = side(_SMOOTH_M * look.metre)
    lift = np.asarray(cv2.blur(look.least - other.least, near), np.float32)
    fringe = (lift > _FRINGE_LIFT) & (cv2.blur(look.tint, near) < 2 * _WHITE * look.most)
    cloud = _fading(core, lift, fringe.astype(np.uint8), _FRINGE_M * look.metre)
    return dilated(closed(cloud, _AROUND_M * look.metre), _AROUND_M * look.metre)


def _fading(core: Mask, lift: Plane, fringe: Mask, reach: float) -> Mask:
    """A core and what fades around it: from pixel to pixel outwards, the lift gets no stronger.

    A new roof beside a cloud lifts the ground, too, but does not fade.
    """
    cloud, level = core.copy(), np.where(core > 0, np.float32(255), np.float32(-255))
    step = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
    for _ in range(ceil(reach)):
        beside = cv2.dilate(level, step)
        fresh = (cloud == 0) & (fringe > 0) & (lift <= beside)
        if not fresh.any():
            break
        np.copyto(level, lift, where=fresh)
        cloud[fresh] = 1
    return cloud


def _soft(core: Mask, look: Look) -> Mask:
    """Those blobs of a mask of which most of the edge is soft."""
    light, metre = look.finer(_FINER)
    width = max(_SOFT_M * metre, _SOFT_PX)
    down, across = light.shape[0] / core.shape[0], light.shape[1] / core.shape[1]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    keep = np.zeros(count, bool)
    around = 2 * ceil(width) + 1
    for blob in range(1, count):
        x, y, wide, high = (int(value) for value in stats[blob, :4])
        rows = slice(max(0, y - around), y + high + around)
        cols = slice(max(0, x - around), x + wide + around)
        there = light[
            round(rows.start * down) : round(rows.stop * down),
            round(cols.start * across) : round(cols.stop * across),
        ]
        near = np.where(labels[rows, cols] == blob, 2, core[rows, cols]).astype(np.uint8)
        size = (there.shape[1], there.shape[0])
        keep[blob] = _fades(
            there, np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_NEAREST)), width
        )
    return np.asarray(keep[labels], np.uint8)


def _fades(light: Plane, marked: NDArray[np.generic], width: float) -> bool:
    """Whether the edge of a blob is wider than a width in pixels.

    Args:
        light: What is around it.
        marked: 2 in the blob, 1 in others, 0 elsewhere.
        width: The width.
    """
    blob = filled(np.asarray(marked == 2, np.uint8))  # a hole only shows what was white before
    away = cv2.distanceTransform(1 - blob, cv2.DIST_L2, 3)
    outside = (away > width) & (away <= 2 * width) & (marked == 0)
    step = float(light[blob > 0].mean()) - float(light[outside].mean()) if outside.any() else 0.0
    steep = (_gradient(light) * width > max(step, _LEAST_STEP)) & (away <= 2 * width)
    edge = (blob > 0) & ~(eroded(blob, 1.0) > 0)
    sharp = dilated(steep.astype(np.uint8), width)[edge]
    return not sharp.size or bool(sharp.mean() < _SHARP)  # no edge in sight: nothing but cloud


def _gradient(light: Plane) -> Plane:
    """Length of the gradient, grey levels per pixel."""
    smooth = cv2.GaussianBlur(light, (0, 0), 0.8)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def cloud_shadow(look: Look, other: Look, core: Mask, clear: Mask, away: float | None) -> Mask:
    """What is darker than at the other date and has the shape of the clouds, moved.

    Args:
        look: The date with the clouds.
        other: The other one.
        core: The clouds' cores.
        clear: Where neither date has a cloud.
        away: Direction away from the sun, radians from the right downwards; ``None``: any.
    """
    ratio = _darkness(look, other)
    slid = _Slid.of(core, (ratio < _SHADE).astype(np.uint8) & clear, clear, look.metre)
    offset = slid.offset(away)
    if offset is None:
        return np.zeros_like(core)
    height, width = core.shape
    step = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], np.float32)
    shifted = cv2.warpAffine(core, step, (width, height), flags=cv2.INTER_NEAREST)
    moved = np.asarray(shifted, np.uint8) & clear
    fringe = (ratio < _SHADE_FRINGE).astype(np.uint8) & dilated(moved, _SHADE_REACH_M * look.metre)
    shadow = moved | touching(fringe & clear, moved)
    around = max(_AROUND_M * look.metre, 1.5)
    return dilated(closed(shadow, around), around)


def shadow_votes(look: Look, other: Look, core: Mask, clear: Mask) -> Plane:
    """How well the clouds' outlines fit dark ground in each of `DIRECTIONS` directions, 0 where not at all.

    One window can mislead, since any dark field fits some outline; in all windows of a scene the right
    direction is the same.
    """
    dark = (_darkness(look, other) < _SHADE).astype(np.uint8) & clear
    return _Slid.of(core, dark, clear, look.metre).votes()


def away_from_sun(votes: Plane) -> float | None:
    """The direction for which most votes were given, radians from the right downwards; ``None``: no votes."""
    if not votes.any():
        return None
    beside = np.roll(votes, 1) + np.roll(votes, -1)
    return float(int((votes + beside / 2).argmax()) * 2 * np.pi / DIRECTIONS)


def _darkness(look: Look, other: Look) -> Plane:
    """Brightness in shares of the other date's."""
    near = side(_SMOOTH_M * look.metre)
    ratio = cv2.blur(look.light, near) / np.maximum(cv2.blur(other.light, near), 1.0)
    return np.asarray(ratio, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Slid:
    """The outline of all clouds, slid over dark ground.

    Attributes:
        shape: The outline, 0 to 1, on coarser pixels.
        ground: What is dark.
        seen: What is clear.
        reach: Farthest offset, coarser pixels.
        scale: Pixels for each coarser one, across and down.
        metre: Coarser pixels in a metre.
        hits: Dark ground under the outline, for each offset.
        tried: Clear ground under it.
        usual: Share of the clear ground that is dark.
    """

    shape: Plane
    ground: Plane
    seen: Plane
    reach: int
    scale: tuple[float, float]
    metre: float
    hits: Plane
    tried: Plane
    usual: float

    @classmethod
    def of(cls, core: Mask, dark: Mask, clear: Mask, metre: float) -> _Slid:
        ratio = min(1.0, 1.0 / (_SHADE_PX_M * metre))
        height, width = core.shape
        size = (max(8, round(width * ratio)), max(8, round(height * ratio)))
        shape, ground, seen = (
            np.asarray(
                cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
            )
            for mask in (core, dark, clear)
        )
        reach = int(min(_SHADE_FAR_M * metre * ratio, max(size) / 2))
        hits, tried = _slide(shape, ground, reach), _slide(shape, seen, reach)
        usual = float(ground.sum()) / max(float(seen.sum()), 1e-6)
        scale = (width / size[0], height / size[1])
        return cls(shape, ground, seen, reach, scale, metre * ratio, hits, tried, usual)

    def offset(self, away: float | None) -> tuple[float, float] | None:
        """Where the clouds cast their shadow, pixels right and down; ``None`` if they cast none in sight."""
        strength = self._strength()
        if away is not None:
            apart = np.abs((self._directions() - away + np.pi) % (2 * np.pi) - np.pi)
            strength = np.where(apart <= _SHADE_APART, strength, np.float32(0))
        row, col = divmod(int(strength.argmax()), strength.shape[1])
        if strength[row, col] <= 0 or self._goes_on_around(row, col):
            return None
        return (col - self.reach) * self.scale[0], (row - self.reach) * self.scale[1]

    def votes(self) -> Plane:
        """The greatest strength in each direction."""
        strength = self._strength()
        sector = np.rint(self._directions() * DIRECTIONS / (2 * np.pi)).astype(np.intp) % DIRECTIONS
        votes = np.zeros(DIRECTIONS, np.float32)
        np.maximum.at(votes, sector.ravel(), strength.ravel())
        return votes

    def _strength(self) -> Plane:
        """By how much more is dark than elsewhere, in each offset, in deviations; 0 where it is no shadow."""
        share = self.hits / np.maximum(self.tried, 1e-6)
        fits = self.tried > _SHADE_M2 * self.metre**2
        fits &= share >= max(_SHADE_SHARE, self.usual + _SHADE_CONTRAST)
        beyond = (self.hits - self.usual * self.tried) / np.sqrt(np.maximum(self.tried, 1.0))
        return np.asarray(np.where(fits, beyond, 0), np.float32)

    def _directions(self) -> Plane:
        """Direction of each offset, radians from the right downwards."""
        steps = np.arange(-self.reach, self.reach + 1, dtype=np.float32)
        return np.asarray(np.arctan2(steps[:, None], steps[None, :]), np.float32)

    def _goes_on_around(self, row: int, col: int) -> bool:
        """Whether it is only a part of ground that is darker as a whole."""
        outline = np.asarray(self.shape > _HALF, np.uint8)
        wide, narrow = (_SHADE_RIM_M + _SHADE_REACH_M) * self.metre, _SHADE_REACH_M * self.metre
        rim = np.asarray(dilated(outline, wide) - dilated(outline, narrow), np.float32)
        dark, seen = (
            float(_slide(rim, plane, self.reach)[row, col]) for plane in (self.ground, self.seen)
        )
        return dark > (self.usual + _SHADE_RIM) * seen


def _slide(shape: Plane, ground: Plane, reach: int) -> Plane:
    """Sum of ``ground`` under ``shape`` moved by (dx, dy), each from -reach to reach."""
    padded = cv2.copyMakeBorder(ground, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.matchTemplate(padded, shape, cv2.TM_CCORR), np.float32)
