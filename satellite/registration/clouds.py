"""Finds clouds in one of two looks at a place."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.registration.date_view import DateView
from satellite.registration.morphology import (
    Mask,
    Plane,
    closed,
    dilated,
    eroded,
    filled,
    holds_disc,
    local_deviation,
    odd_square,
    opened,
)

# Cloud: the darkest of red, green and blue in its core, grey levels, and how much brighter that is
# than at the other date. Thinner parts follow from the core outwards.
_CLOUD_LEVEL = 150.0
_CLOUD_LIFT = 45.0
# Difference of the bands of something white, in shares of its brightness.
_WHITE = 0.12
# Standard deviation of its brightness within some metres: roofs with ridges, yards with cars have more.
_SMOOTH = 14.0
SMOOTH_M = 8.0
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
#: What is added around clouds and shadows, metres.
AROUND_M = 3.0


def cloud_core(view: DateView, other: DateView, held: Mask) -> Mask:
    """What is as bright, white, smooth and large as a cloud, has soft edges, and is there once."""
    white = view.tint < _WHITE * view.most
    bright = (view.least > _CLOUD_LEVEL) & (view.least - other.least > _CLOUD_LIFT)
    like = (white & bright & (held > 0)).astype(np.uint8)
    if not holds_disc(like, _CORE_M * view.metre):
        return np.zeros_like(like)
    smooth = local_deviation(view.light, SMOOTH_M * view.metre) < _SMOOTH
    core = opened(like & smooth.astype(np.uint8), max(_CORE_M * view.metre, _CORE_PX))
    if not core.any():
        return core
    return _soft_edged(dilated(core, SMOOTH_M * view.metre / 2) & like, view)  # up to its edge


def cloud_around(view: DateView, other: DateView, core: Mask) -> Mask:
    """A cloud from its core outwards: the fringe lifts the ground, and pales it."""
    near = odd_square(SMOOTH_M * view.metre)
    lift = np.asarray(cv2.blur(view.least - other.least, near), np.float32)
    fringe = (lift > _FRINGE_LIFT) & (cv2.blur(view.tint, near) < 2 * _WHITE * view.most)
    cloud = _grown_into_fringe(core, lift, fringe, _FRINGE_M * view.metre)
    return dilated(closed(cloud, AROUND_M * view.metre), AROUND_M * view.metre)


def _grown_into_fringe(core: Mask, lift: Plane, fringe: NDArray[np.bool_], reach: float) -> Mask:
    """A core and what fades around it: from pixel to pixel outwards, the lift gets no stronger.

    A new roof beside a cloud lifts the ground, too, but does not fade.
    """
    level = np.where(core > 0, np.float32(255), np.float32(0))  # 0: not reached
    step = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
    for _ in range(ceil(reach)):
        fresh = (level == 0) & fringe & (lift <= cv2.dilate(level, step))
        if not fresh.any():
            break
        np.copyto(level, lift, where=fresh)
    return np.asarray(level > 0, np.uint8)


def _soft_edged(core: Mask, view: DateView) -> Mask:
    """Those blobs of a mask of which most of the edge is soft."""
    light, metre = view.finer(_FINER)
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
        keep[blob] = _has_soft_edge(
            there, np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_NEAREST)), width
        )
    return np.asarray(keep[labels], np.uint8)


def _has_soft_edge(light: Plane, marked: NDArray[np.generic], width: float) -> bool:
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
