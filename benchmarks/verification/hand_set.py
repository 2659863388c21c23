"""What a settled region shows: a thing, light, or the ground behind something taken away."""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Region

# Correlation of the gradients with the background's above which its texture is still there, so that
# only the light changed. Gradients, since a dark bag in a dark corner correlates with it in grey.
_SAME_TEXTURE = 0.6
# Sun and shadow multiply a surface by about two at most; what is darker is a dark thing.
_LIGHT_RATIO = (0.45, 2.2)
# Deviation of that factor over a surface, part of its mean. A thing has sides and its own shade,
# and is never as even.
_LIGHT_EVEN = 0.1
# Part of the region's size that is taken around it as its surroundings.
_RING = 0.35
# How much better the region must fit its surroundings now than before to be bare ground.
_GROUND_MARGIN = 0.15


# A thing's outline is sharp: the difference to the background falls off over a pixel or two, so
# that its step along the contour is a good part of its height inside. Clouds and soft shadows
# fade out over many.
_SHARP = 0.55


class Verdict(StrEnum):
    """What a settled region is."""

    THING = "thing"
    LIGHT = "light"
    HAZE = "haze"
    GROUND = "ground"


def judge(background: Background, region: Region) -> Verdict:
    """Separates things from changes of light and from uncovered ground.

    Light keeps the texture of the surface it falls on (correlation of gradients); a cast shadow on
    a bare surface multiplies it by one factor. A region without an outline is haze: a cloud, a soft
    shadow. Where something was taken away the region resembles its surroundings more than before,
    and its contour carried an edge that is gone.
    """
    if _is_light(background, region):
        return Verdict.LIGHT
    if _sharpness(background, region) < _SHARP:
        return Verdict.HAZE
    if _fit(background.latest, region) - _fit(background.background, region) > _GROUND_MARGIN:
        return Verdict.GROUND
    return Verdict.THING


def _is_light(background: Background, region: Region) -> bool:
    was = background.background[region.window][region.mask]
    now = background.latest[region.window][region.mask]
    if _texture_left(background, region) > _SAME_TEXTURE:
        return True
    ratio = now / np.maximum(was, 1.0)
    mean = float(ratio.mean())
    even = float(ratio.std()) < _LIGHT_EVEN * mean
    return even and _LIGHT_RATIO[0] < mean < _LIGHT_RATIO[1]


def _texture_left(background: Background, region: Region) -> float:
    """Correlation of the region's gradients with the background's, -1 to 1, its edge left out."""
    inner = cv2.erode(region.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    gradients = []
    for picture in (background.background, background.latest):
        part = picture[region.window]
        across, down = cv2.Sobel(part, cv2.CV_32F, 1, 0), cv2.Sobel(part, cv2.CV_32F, 0, 1)
        gradients.append(np.concatenate([across[inner], down[inner]]))
    length = float(np.linalg.norm(gradients[0]) * np.linalg.norm(gradients[1]))
    return float(np.vdot(*gradients)) / length if length > 0 else 0.0


def _sharpness(background: Background, region: Region) -> float:
    """Step of the difference to the background across the contour, part of its height inside."""
    x1, y1, x2, y2 = region.box
    top, left = max(0, y1 - 3), max(0, x1 - 3)
    window = (slice(top, y2 + 3), slice(left, x2 + 3))
    difference = background.latest[window] - background.background[window]
    inside = np.zeros(difference.shape, np.uint8)
    inside[y1 - top : y2 - top, x1 - left : x2 - left] = region.mask
    kernel = np.ones((3, 3), np.uint8)
    contour = cv2.dilate(inside, kernel) - cv2.erode(inside, kernel)
    height = float(np.abs(difference[inside > 0]).mean())
    # The region's rim lies a pixel outside the step where the difference is great: look for it.
    step = cv2.dilate(cv2.morphologyEx(difference, cv2.MORPH_GRADIENT, kernel), kernel)
    return float(step[contour > 0].mean()) / max(height, 1.0)


def _fit(picture: NDArray[np.float32], region: Region) -> float:
    """How well the region goes into its surroundings, 0 to 1.

    Half of it is how alike the histograms are (Bhattacharyya coefficient), half how little edge
    lies along the contour, relative to the edges around.
    """
    x1, y1, x2, y2 = region.box
    reach = max(3, round(_RING * max(x2 - x1, y2 - y1)))
    top, left = max(0, y1 - reach), max(0, x1 - reach)
    around = picture[top : y2 + reach, left : x2 + reach]
    inside = np.zeros(around.shape, np.uint8)
    inside[y1 - top : y2 - top, x1 - left : x2 - left] = region.mask
    kernel = np.ones((3, 3), np.uint8)
    ring = cv2.dilate(inside, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) - cv2.dilate(
        inside, kernel
    )
    contour = cv2.dilate(inside, kernel) - cv2.erode(inside, kernel)
    if not ring.any() or not contour.any():
        return 0.0
    edges = cv2.morphologyEx(around, cv2.MORPH_GRADIENT, kernel)
    edge = float(edges[contour > 0].mean())
    smooth = 1.0 - edge / (edge + float(edges[ring > 0].mean()) + 1.0)
    return 0.5 * _alike(around[inside > 0], around[ring > 0]) + 0.5 * smooth


def _alike(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Bhattacharyya coefficient of two samples' grey histograms of 24 bins, 0 to 1."""
    counts = [
        np.bincount((sample / 11).astype(np.intp), minlength=24) for sample in (first, second)
    ]
    shares = [count / max(1, count.sum()) for count in counts]
    return float(np.sum(np.sqrt(shares[0] * shares[1])))
