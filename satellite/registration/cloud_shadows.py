"""Finds cloud shadows: dark ground in the shape of the clouds, displaced away from the sun."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from satellite.registration.clouds import AROUND_M, SMOOTH_M
from satellite.registration.date_view import DateView
from satellite.registration.morphology import Mask, Plane, closed, dilated, odd_square, touching

# Brightness as a share of the other date's, within a shadow and at its edge; width of the edge,
# metres.
_DARK = 0.8
_EDGE = 0.87
_EDGE_M = 15.0
# Largest distance of a shadow from its cloud, and the pixel size of the search, metres.
_FAR_M = 400.0
_PX_M = 8.0
# Least dark share of the displaced outline of all clouds, by how much it must exceed the dark share
# of the rest of the window, and the least area of the outline within the window, square metres.
_SHARE = 0.6
_CONTRAST = 0.3
_LEAST_M2 = 700.0
# Excess of the dark share in a rim around the outline above which the match is only part of larger
# dark ground; the rim's width, metres; and the share from which a coarse pixel belongs to the
# outline.
_RIM = 0.18
_RIM_M = 20.0
_OUTLINE = 0.5
#: Number of directions that are distinguished.
DIRECTIONS = 24
# Largest angle between a shadow and the direction away from the sun, radians: one and a half
# sectors.
_APART = 0.4


def cloud_shadow(
    view: DateView, other: DateView, core: Mask, clear: Mask, away: float | None
) -> Mask:
    """Finds ground that is darker than at the other date and has the clouds' shape, displaced.

    Args:
        view: The date with the clouds.
        other: The other date.
        core: Mask of the clouds' cores.
        clear: Mask of pixels without cloud at both dates.
        away: Direction away from the sun, radians from the right downwards; ``None``: any.
    """
    ratio = _darkness(view, other)
    search = _OutlineSearch.of(core, (ratio < _DARK).astype(np.uint8) & clear, clear, view.metre)
    offset = search.offset(away)
    if offset is None:
        return np.zeros_like(core)
    height, width = core.shape
    step = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], np.float32)
    shifted = cv2.warpAffine(core, step, (width, height), flags=cv2.INTER_NEAREST)
    moved = np.asarray(shifted, np.uint8) & clear
    fringe = (ratio < _EDGE).astype(np.uint8) & dilated(moved, _EDGE_M * view.metre)
    shadow = moved | touching(fringe & clear, moved)
    around = max(AROUND_M * view.metre, 1.5)
    return dilated(closed(shadow, around), around)


def shadow_votes(view: DateView, other: DateView, core: Mask, clear: Mask) -> Plane:
    """How well the clouds' outline fits dark ground in each of `DIRECTIONS` directions; 0: no fit.

    A single window can mislead, since any dark field fits some outline; over all windows of a scene
    the right direction is consistent.
    """
    dark = (_darkness(view, other) < _DARK).astype(np.uint8) & clear
    return _OutlineSearch.of(core, dark, clear, view.metre).votes()


def away_from_sun(votes: Plane) -> float | None:
    """The direction with most votes, radians from the right downwards; ``None`` without votes."""
    if not votes.any():
        return None
    beside = np.roll(votes, 1) + np.roll(votes, -1)
    return float(int((votes + beside / 2).argmax()) * 2 * np.pi / DIRECTIONS)


def _darkness(view: DateView, other: DateView) -> Plane:
    """Brightness as a share of the other date's."""
    near = odd_square(SMOOTH_M * view.metre)
    ratio = cv2.blur(view.light, near) / np.maximum(cv2.blur(other.light, near), 1.0)
    return np.asarray(ratio, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _OutlineSearch:
    """The outline of all clouds, correlated with dark ground at all displacements.

    Attributes:
        shape: The outline, 0 to 1, on coarse pixels.
        ground: Dark ground, 0 to 1.
        seen: Clear ground, 0 to 1.
        reach: Largest displacement, coarse pixels.
        scale: Pixels per coarse pixel, across and down.
        metre: Coarse pixels per metre.
        hits: Dark ground under the outline, for each displacement.
        tried: Clear ground under the outline, for each displacement.
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
    def of(cls, core: Mask, dark: Mask, clear: Mask, metre: float) -> _OutlineSearch:
        ratio = min(1.0, 1.0 / (_PX_M * metre))
        height, width = core.shape
        size = (max(8, round(width * ratio)), max(8, round(height * ratio)))
        shape, ground, seen = (
            np.asarray(
                cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
            )
            for mask in (core, dark, clear)
        )
        reach = int(min(_FAR_M * metre * ratio, max(size) / 2))
        hits, tried = _correlate(shape, ground, reach), _correlate(shape, seen, reach)
        usual = float(ground.sum()) / max(float(seen.sum()), 1e-6)
        scale = (width / size[0], height / size[1])
        return cls(shape, ground, seen, reach, scale, metre * ratio, hits, tried, usual)

    def offset(self, away: float | None) -> tuple[float, float] | None:
        """Displacement of the shadow, pixels right and down; ``None`` without a shadow in sight."""
        strength = self._strength()
        if away is not None:
            apart = np.abs((self._directions() - away + np.pi) % (2 * np.pi) - np.pi)
            strength = np.where(apart <= _APART, strength, np.float32(0))
        row, col = divmod(int(strength.argmax()), strength.shape[1])
        if strength[row, col] <= 0 or self._is_part_of_dark_ground(row, col):
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
        """Excess of dark ground per displacement, standard deviations; 0 where no shadow fits."""
        share = self.hits / np.maximum(self.tried, 1e-6)
        fits = self.tried > _LEAST_M2 * self.metre**2
        fits &= share >= max(_SHARE, self.usual + _CONTRAST)
        beyond = (self.hits - self.usual * self.tried) / np.sqrt(np.maximum(self.tried, 1.0))
        return np.asarray(np.where(fits, beyond, 0), np.float32)

    def _directions(self) -> Plane:
        """Direction of each displacement, radians from the right downwards."""
        steps = np.arange(-self.reach, self.reach + 1, dtype=np.float32)
        return np.asarray(np.arctan2(steps[:, None], steps[None, :]), np.float32)

    def _is_part_of_dark_ground(self, row: int, col: int) -> bool:
        """Whether the match at a displacement is only a part of larger dark ground."""
        outline = np.asarray(self.shape > _OUTLINE, np.uint8)
        wide, narrow = (_RIM_M + _EDGE_M) * self.metre, _EDGE_M * self.metre
        rim = np.asarray(dilated(outline, wide) - dilated(outline, narrow), np.float32)
        dark, seen = (
            float(_correlate(rim, plane, self.reach)[row, col])
            for plane in (self.ground, self.seen)
        )
        return dark > (self.usual + _RIM) * seen


def _correlate(shape: Plane, ground: Plane, reach: int) -> Plane:
    """Sum of ``ground`` under ``shape`` displaced by (dx, dy), each from -reach to reach."""
    padded = cv2.copyMakeBorder(ground, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.matchTemplate(padded, shape, cv2.TM_CCORR), np.float32)
