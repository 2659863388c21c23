"""Objects as they look in a view: scaled, in step, in its light and as blurred as the view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.actors import Actor, Pose
from benchmarks.composed.view import View

Floats = NDArray[np.float32]
_HIP = 0.55  # of a person, share of the distance from head to feet
_STEPS_PER_S = 1.8
_PHASES = 8  # pictures of a step
_TURN_STEP = 15  # degrees between two pictures of a fall
_GROWTH = 1.02  # factor between the heights of somebody who walks nearer
_SHADOW_PX = 90  # height of an object from which on its shadow is drawn smaller
_MOST_KEPT = 400  # sprites in the cache
_LEAST_RANGE = 0.7  # of an object's tones, share of the view's
_LOW_CONTRAST = 14.0  # levels between a thing of low contrast and the ground


@dataclass(frozen=True, slots=True)
class Sprite:
    """One picture of an object.

    Attributes:
        image: float32 ``(height, width, 3)``.
        alpha: float32 ``(height, width, 1)``.
        left: Column of its left edge, from the middle of the foot.
        top: Row of its upper edge, from the foot.
        shadow: Share of the light lost, float32 ``(h, w, 1)``.
        shadow_left: As ``left``, of the shadow.
        shadow_top: As ``top``, of the shadow.
    """

    image: Floats
    alpha: Floats
    left: int
    top: int
    shadow: Floats
    shadow_left: int
    shadow_top: int


class Wardrobe:
    """The sprites of one view, made when needed and kept."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._kept: dict[tuple[int, int, int, int], Sprite] = {}
        self._toned: dict[int, tuple[Floats, Floats]] = {}
        self._phased: dict[tuple[int, int], tuple[Floats, Floats]] = {}
        grey = cv2.cvtColor(view.image, cv2.COLOR_BGR2GRAY)
        self._range = tuple(float(level) for level in np.percentile(grey, (3, 97)))
        self._local = cv2.blur(cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA), (7, 7))

    def sprite(self, actor: Actor, pose: Pose, time_s: float) -> Sprite:
        """The picture of an actor in a pose."""
        phase = 0
        if actor.walks and actor.is_moving(time_s):
            phase = 1 + int(time_s * _STEPS_PER_S * _PHASES) % _PHASES
        turn = round(pose.turn / _TURN_STEP) * _TURN_STEP
        height = max(3, round(pose.height))
        if phase:
            # Who walks towards the camera grows in small steps, so that pictures serve again.
            height = max(3, round(_GROWTH ** round(math.log(pose.height, _GROWTH))))
        key = (id(actor), height, phase, turn)
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._made(actor, pose, key[1], phase, turn)
        return self._kept[key]

    def _made(self, actor: Actor, pose: Pose, height: int, phase: int, turn: int) -> Sprite:
        image, alpha = self._toned_cutout(actor, pose)
        if phase:
            image, alpha = self._in_phase(actor, image, alpha, phase)
        wide = max(2, round(height * alpha.shape[1] / alpha.shape[0]))
        how = cv2.INTER_AREA if height < alpha.shape[0] else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (wide, height), interpolation=how), np.float32)
        alpha = np.asarray(cv2.resize(alpha, (wide, height), interpolation=how), np.float32)
        if turn:
            image, alpha = _turned(image, alpha, turn)
        # Not beyond a sixth of the object: a small one would vanish.
        blur = min(self.view.blur, min(alpha.shape) / 6)
        if blur > 0.3:
            border = math.ceil(2 * blur)
            alpha, image = _blurred(alpha, border, blur), _blurred(image, border, blur)
        else:
            border = 0
        shadow, shadow_left, shadow_top = _small_shadow(alpha, border, self.view)
        left, top = -alpha.shape[1] // 2, border - alpha.shape[0]
        return Sprite(
            np.asarray(image, np.float32),
            np.asarray(alpha, np.float32)[..., None],
            left,
            top,
            shadow,
            shadow_left,
            shadow_top,
        )

    def _in_phase(
        self, actor: Actor, image: Floats, alpha: Floats, phase: int
    ) -> tuple[Floats, Floats]:
        """The cutout at a moment of its step."""
        key = (id(actor), phase)
        if key not in self._phased:
            self._phased[key] = _in_step(image, alpha, phase)
        return self._phased[key]

    def _toned_cutout(self, actor: Actor, pose: Pose) -> tuple[Floats, Floats]:
        """The cutout in the view's light, mirrored if wanted."""
        if id(actor) not in self._toned:
            cutout = actor.cutout
            image = self.view.tone.apply(cutout.image).astype(np.float32)
            image = self._matched(image, cutout.alpha, actor, pose)
            alpha = cutout.alpha
            if actor.mirrored:
                image, alpha = (np.ascontiguousarray(part[:, ::-1]) for part in (image, alpha))
            self._toned[id(actor)] = image, alpha
        return self._toned[id(actor)]

    def _matched(self, image: Floats, alpha: Floats, actor: Actor, pose: Pose) -> Floats:
        """Tones within those of the view, and drawn towards those of the place."""
        low, high = self._range
        grey = image.mean(axis=2)[alpha > 0.5]
        dark, middle, light = np.percentile(grey, (3, 50, 97))
        column = int(np.clip(pose.x / self.view.size[0] * 64, 0, 63))
        row = int(np.clip(pose.y / self.view.size[1] * 64, 0, 63))
        here = float(self._local[row, column])
        if actor.low_contrast:
            side = _LOW_CONTRAST if middle > here else -_LOW_CONTRAST
            flat = min(1.0, 25 / max(1.0, light - dark))
            toned = here + side + (image - middle) * flat
            return np.asarray(np.clip(toned, 0, 255), np.float32)
        wide = max(1.0, light - dark)
        squeeze = min(1.0, (high - low) / wide)
        # Objects from hazy photographs get as much contrast as the view has; their colours do not.
        stretch = float(np.clip(_LEAST_RANGE * (high - low) / wide, 1, 2)) - 1
        image = image + stretch * (image.mean(axis=2, keepdims=True) - middle)
        middle_there = np.clip(0.8 * middle + 0.2 * here, low, high)
        return np.asarray(np.clip(middle_there + (image - middle) * squeeze, 0, 255), np.float32)


def _blurred(part: Floats, border: int, sigma: float) -> Floats:
    """A blurred picture or mask with a border for what the blur spreads."""
    kind = cv2.BORDER_CONSTANT if part.ndim == 2 else cv2.BORDER_REPLICATE
    wider = cv2.copyMakeBorder(part, border, border, border, border, kind)
    return np.asarray(cv2.GaussianBlur(wider, (0, 0), sigma), np.float32)


def _in_step(image: Floats, alpha: Floats, phase: int) -> tuple[Floats, Floats]:
    """Opens and closes the legs below the hip."""
    height, width = alpha.shape
    hip = _HIP * height
    stride = 0.45 + 0.55 * abs(math.cos(math.pi * (phase - 1) / _PHASES))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    below = np.clip((y - hip) / (height - hip), 0, 1)
    from_x = (width / 2 + (x - width / 2) / (1 - below * (1 - stride))).astype(np.float32)
    moved = cv2.remap(image, from_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.remap(alpha, from_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(moved, np.float32), np.asarray(cover, np.float32)


def _turned(image: Floats, alpha: Floats, turn: int) -> tuple[Floats, Floats]:
    """Rotated about the middle, and cropped to what is left of it."""
    height, width = alpha.shape
    side = math.ceil(math.hypot(height, width)) + 2
    turning = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    turning[:, 2] += (side - width) / 2, (side - height) / 2
    moved = cv2.warpAffine(image, turning, (side, side), borderMode=cv2.BORDER_REPLICATE)
    cover = np.asarray(cv2.warpAffine(alpha, turning, (side, side)), np.float32)
    rows, columns = np.flatnonzero((cover > 0.1).any(axis=1)), np.flatnonzero((cover > 0.1).any(0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return np.asarray(moved, np.float32)[part], cover[part]


def _small_shadow(alpha: Floats, border: int, view: View) -> tuple[Floats, int, int]:
    """The shadow, of a large object drawn at a fraction of its size: it is soft."""
    part = math.ceil(alpha.shape[0] / _SHADOW_PX)
    if part == 1:
        return _shadow(alpha, border, view)
    size = max(1, alpha.shape[1] // part), max(1, alpha.shape[0] // part)
    small = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    shade, left, top = _shadow(small, round(border / part), view)
    wide = cv2.resize(shade, None, fx=part, fy=part, interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32).reshape(*wide.shape[:2], 1), left * part, top * part


def _shadow(alpha: Floats, border: int, view: View) -> tuple[Floats, int, int]:
    """The shadow under an object, and the one that the sun casts if there is any."""
    height, width = alpha.shape
    low = alpha[-max(2, height // 6) - border :].max(axis=0)
    columns = np.flatnonzero(low > 0.3)
    if columns.size == 0:
        return np.zeros((1, 1, 1), np.float32), 0, 0
    half, middle = (np.ptp(columns) + 1) / 2, columns.mean() - width / 2
    flat = max(1.5, 0.22 * half)  # seen from above at a low angle
    soft = max(0.7, 0.4 * flat)
    reach = view.sun or (0.0, 0.0)
    right, left = half + max(0, reach[0]) * height, half + max(0, -reach[0]) * height
    down, up = flat + max(0, reach[1]) * height, flat + max(0, -reach[1]) * height
    pad = 3 * soft
    size = math.ceil(left + right + 2 * pad), math.ceil(up + down + 2 * pad)
    origin = left + pad - middle, up + pad
    mask = np.zeros((size[1], size[0]), np.float32)
    centre = (round(origin[0] + middle), round(origin[1]))
    cv2.ellipse(mask, centre, (round(half), max(1, round(flat))), 0, 0, 360, 0.8, cv2.FILLED)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.float32)
    if view.sun is not None:
        foot = height - border
        cast = np.array(
            [
                [1, -reach[0], origin[0] - width / 2 + reach[0] * foot],
                [0, -reach[1], origin[1] + reach[1] * foot],
            ]
        )
        sunlit = np.asarray(cv2.warpAffine(alpha, cast, size), np.float32)
        mask = np.maximum(mask, cv2.GaussianBlur(sunlit, (0, 0), max(0.6, soft / 3)))
    shade = (mask * view.shade)[..., None].astype(np.float32)
    return shade, -round(origin[0]), -round(origin[1])
