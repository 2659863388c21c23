"""Finds clouds in one of two dates of a window."""

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
from satellite.registration.thin_clouds import thin_cloud

# Thick cloud: the darkest of red, green and blue, grey levels, and its excess over the other date.
# Thinner parts are grown from the core outwards.
_CLOUD_LEVEL = 150.0
_CLOUD_LIFT = 45.0
# Largest difference of the bands of a white surface, as a share of its brightness.
_WHITE = 0.12
# Standard deviation of a cloud's brightness within some metres: ridged roofs and yards with cars
# exceed it.
_SMOOTH = 14.0
SMOOTH_M = 8.0
# Least share of a possible cloud that is missing at the other date, for all of it to be cloud.
_KNOWN = 0.3
# Radius of the disc that must fit into a core, metres and coarse pixels.
_CORE_M = 8.0
_CORE_PX = 2.0
# Least width of a core's edge, metres and pixels: the step across the edge over its gradient.
# Clouds fade over ten metres and more, roofs end within two or three pixels.
_SOFT_M = 5.0
_SOFT_PX = 3.5
# The share of a cloud's edge that may be sharper, where roofs and trees show through, and how near
# the edge, pixels: at fine resolution, and at coarse resolution, where edges are less exact.
_SHARP = (0.6, 0.8)
_SHARP_PX = (2.0, _SOFT_PX)
# Least step across an edge, grey levels: smaller steps drown in noise.
_LEAST_STEP = 20.0
# Factor by which edges are examined at finer resolution than the rest.
_FINER = 2
# Reach of a cloud's fringe around its core, and the least lift of the fringe in grey levels: about
# a tenth of the lift of a cloud.
_FRINGE_M = 40.0
_FRINGE_LIFT = 16.0
#: Width by which clouds and shadows are grown, metres.
AROUND_M = 3.0


def possible_cloud(view: DateView, held: Mask) -> Mask:
    """Finds what may be cloud by one date alone; pale ground may be among it."""
    return _thick(view, np.ones(held.shape, np.bool_), held) | thin_cloud(view, None, held)


def cloud_core(view: DateView, other: DateView, held: Mask) -> Mask:
    """Finds cores, thick and thin: possible cloud that is missing at the other date.

    Where a part of a possible cloud is known to be missing, the rest lies over ground as pale as
    cloud.
    """
    core = _thick(view, (view.least - other.least) / view.scale > _CLOUD_LIFT, held)
    core = core | thin_cloud(view, other, held)
    if not core.any():
        return core
    _, labels = cv2.connectedComponents(possible_cloud(view, held), connectivity=8)
    sizes = np.bincount(labels.ravel())
    known = np.bincount(labels[core > 0], minlength=len(sizes))
    whole = known >= _KNOWN * sizes
    whole[0] = False
    return np.asarray(core | whole[labels], np.uint8)


def _thick(view: DateView, lifted: NDArray[np.bool_], held: Mask) -> Mask:
    """Finds thick clouds: bright, white, smooth, large, with soft edges."""
    white = view.tint < _WHITE * view.most
    bright = (view.raw_least > _CLOUD_LEVEL) & lifted
    like = (white & bright & (held > 0)).astype(np.uint8)
    if not holds_disc(like, _CORE_M * view.metre):
        return np.zeros_like(like)
    smooth = local_deviation(view.light, SMOOTH_M * view.metre) < _SMOOTH
    core = opened(like & smooth.astype(np.uint8), max(_CORE_M * view.metre, _CORE_PX))
    if not core.any():
        return core
    return _soft_edged(dilated(core, SMOOTH_M * view.metre / 2) & like, view)  # up to its edge


def cloud_around(view: DateView, other: DateView, core: Mask) -> Mask:
    """Grows clouds from their cores: the fringe brightens the ground and makes it paler."""
    near = odd_square(SMOOTH_M * view.metre)
    lift = np.asarray(cv2.blur((view.least - other.least) / view.scale, near), np.float32)
    fringe = (lift > _FRINGE_LIFT) & (cv2.blur(view.tint, near) < 2 * _WHITE * view.most)
    cloud = _grown_into_fringe(core, lift, fringe, _FRINGE_M * view.metre)
    return dilated(closed(cloud, AROUND_M * view.metre), AROUND_M * view.metre)


def _grown_into_fringe(core: Mask, lift: Plane, fringe: NDArray[np.bool_], reach: float) -> Mask:
    """Grows a core outwards from pixel to pixel, for as long as the lift does not increase.

    A new roof beside a cloud has a lift, too, but does not fade.
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
    """The blobs of a mask most of whose edge is soft."""
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
    """Whether the edge of a blob is wider than ``width``.

    Args:
        light: Brightness of the blob and its surroundings.
        marked: 2 in the blob, 1 in other blobs, 0 elsewhere.
        width: Least width of a soft edge, pixels.
    """
    blob = filled(np.asarray(marked == 2, np.uint8))  # holes are ground that was white before
    away = cv2.distanceTransform(1 - blob, cv2.DIST_L2, 3)
    outside = (away > width) & (away <= 2 * width) & (marked == 0)
    step = float(light[blob > 0].mean()) - float(light[outside].mean()) if outside.any() else 0.0
    steep = (_gradient(light) * width > max(step, _LEAST_STEP)) & (away <= 2 * width)
    edge = (blob > 0) & ~(eroded(blob, 1.0) > 0)
    coarse = width <= _SOFT_PX
    sharp = dilated(steep.astype(np.uint8), _SHARP_PX[coarse])[edge]
    return not sharp.size or bool(sharp.mean() < _SHARP[coarse])  # no edge in the window: all cloud


def _gradient(light: Plane) -> Plane:
    """Length of the gradient, grey levels per pixel."""
    smooth = cv2.GaussianBlur(light, (0, 0), 0.8)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(across, down), np.float32)
