"""Things placed into a picture: cut-outs of photographs, with what comes with them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.verification.effect import Effect, Floats, between, blurred, covered

# Longer side of a thing: from so many pixels to this share of the picture's width.
_LEAST_PX = 5.0
_MOST_SHARE = 0.33
_LEAST_SHORT_PX = 3


@dataclass(frozen=True, slots=True)
class Cutout:
    """A thing cut out of a photograph.

    Attributes:
        kind: The class.
        grey: Grey levels, shape (h, w).
        alpha: What of each pixel it covers, 0 to 1, of the same shape.
    """

    kind: str
    grey: Floats
    alpha: Floats


@dataclass(frozen=True, slots=True)
class Placed:
    """A cut-out at its place.

    Attributes:
        grey: Grey levels, shape of the picture.
        alpha: What of each pixel it covers, 0 to 1.
    """

    grey: Floats
    alpha: Floats

    def effect(self, kind: str = "thing") -> Effect:
        """The thing as it stands there."""
        solid = self.grey * self.alpha
        return Effect(kind, covered(self.alpha), lambda picture: picture * (1 - self.alpha) + solid)

    @property
    def foot(self) -> float:
        """The row of its lower edge."""
        rows = np.flatnonzero(covered(self.alpha).any(axis=1))
        return float(rows.max(initial=0))


def placed(picture: Floats, cutout: Cutout, rng: np.random.Generator) -> Placed:
    """A cut-out of random size, pose and contrast at a random place, now and then half hidden."""
    height, width = picture.shape
    grey, alpha = _posed(cutout, between(_LEAST_PX, _MOST_SHARE * width, rng), rng)
    rows, columns = grey.shape
    clipped = rng.random() < 0.2
    # Beside an edge the middle is on the picture still.
    margin_x, margin_y = (0, 0) if clipped else (columns // 2, rows // 2)
    x = round(rng.uniform(margin_x, max(margin_x + 1, width - margin_x))) - columns // 2
    y = round(rng.uniform(margin_y, max(margin_y + 1, height - margin_y))) - rows // 2
    if clipped:
        x, y = _at_an_edge(x, y, (rows, columns), (height, width), rng)
    whole_grey, whole_alpha = np.zeros_like(picture), np.zeros_like(picture)
    top, left = max(0, y), max(0, x)
    bottom, right = min(height, y + rows), min(width, x + columns)
    if top < bottom and left < right:
        part = (slice(top - y, bottom - y), slice(left - x, right - x))
        there = (slice(top, bottom), slice(left, right))
        whole_grey[there] = _lit(grey[part], alpha[part], picture[there], rng)
        whole_alpha[there] = alpha[part]
    if rng.random() < 0.2:
        whole_alpha = _half_hidden(whole_alpha, rng)
    return Placed(whole_grey, whole_alpha)


def again(thing: Placed, shift: tuple[int, int]) -> Placed:
    """The same thing elsewhere, shifted by columns and rows."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = thing.alpha.shape[::-1]
    grey, alpha = (
        np.asarray(cv2.warpAffine(values, matrix, size), np.float32)
        for values in (thing.grey, thing.alpha)
    )
    return Placed(grey, alpha)


def shadow_of(thing: Placed, rng: np.random.Generator) -> Effect:
    """The shadow that a thing casts on the ground: its outline laid down from its foot."""
    y = thing.foot
    shear, squash = rng.uniform(-1.6, 1.6), rng.uniform(-0.6, 0.6)
    matrix = np.array(
        [[1, -shear, shear * y], [0, squash, y * (1 - squash)]],
        np.float32,
    )
    size = thing.alpha.shape[::-1]
    laid = np.asarray(cv2.warpAffine(thing.alpha, matrix, size), np.float32)
    laid = blurred(laid, between(0.3, 4.0, rng))
    depth = np.float32(rng.uniform(0.15, 0.65))
    return Effect("shadow", covered(laid * depth), lambda picture: picture * (1 - depth * laid))


def reflection_of(thing: Placed, rng: np.random.Generator) -> Effect:
    """The thing mirrored at its foot, blurred and faint, as a wet or polished floor shows it."""
    y = thing.foot
    stretch = rng.uniform(0.5, 1.3)
    matrix = np.array([[1, 0, 0], [0, -stretch, y * (1 + stretch)]], np.float32)
    size = thing.alpha.shape[::-1]
    across, down = between(0.5, 4.0, rng), between(0.5, 8.0, rng)
    grey, alpha = (
        np.asarray(
            cv2.GaussianBlur(cv2.warpAffine(values, matrix, size), (0, 0), across, sigmaY=down),
            np.float32,
        )
        for values in (thing.grey * thing.alpha, thing.alpha)
    )
    share = np.float32(rng.uniform(0.15, 0.6))
    return Effect(
        "reflection",
        covered(alpha * share),
        lambda picture: picture * (1 - share * alpha) + share * grey,
    )


def _posed(cutout: Cutout, long_px: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    grey, alpha = cutout.grey, cutout.alpha
    if rng.random() < 0.5:
        grey, alpha = grey[:, ::-1], alpha[:, ::-1]
    if rng.random() < 0.1:
        grey, alpha = np.rot90(grey), np.rot90(alpha)
    scale = long_px / max(grey.shape)
    stretch = between(0.75, 1.33, rng)
    size = (
        max(_LEAST_SHORT_PX, round(grey.shape[1] * scale * stretch)),
        max(_LEAST_SHORT_PX, round(grey.shape[0] * scale)),
    )
    grey, alpha = (
        np.asarray(
            cv2.resize(np.ascontiguousarray(v), size, interpolation=cv2.INTER_AREA), np.float32
        )
        for v in (grey, alpha)
    )
    softness = rng.uniform(0.0, 0.9)
    return blurred(grey, softness), np.clip(blurred(alpha, softness), 0, 1)


def _lit(grey: Floats, alpha: Floats, behind: Floats, rng: np.random.Generator) -> Floats:
    """Grey levels in the light of the place: as bright as what is behind, more or less."""
    weight = float(alpha.sum()) + 1e-3
    mean = float((grey * alpha).sum()) / weight
    place = float((behind * alpha).sum()) / weight
    if rng.random() < 0.3:  # low contrast
        wanted = place + rng.choice((-1.0, 1.0)) * rng.uniform(10.0, 30.0)
        contrast = rng.uniform(0.2, 0.7)
    else:
        wanted = (place + 8.0) * float(np.exp(rng.normal(0.0, 0.6)))
        contrast = rng.uniform(0.5, 1.3)
    # The view may be dark as a whole: then a thing's own contrast is small as well.
    contrast *= min(1.0, (place + 30.0) / 110.0)
    return np.asarray(np.clip(wanted + contrast * (grey - mean), 0, 255), np.float32)


def _at_an_edge(
    x: int, y: int, size: tuple[int, int], shape: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    rows, columns = size
    height, width = shape
    out = rng.uniform(0.1, 0.7)
    match int(rng.integers(4)):
        case 0:
            return -round(out * columns), y
        case 1:
            return width - round((1 - out) * columns), y
        case 2:
            return x, -round(out * rows)
        case _:
            return x, height - round((1 - out) * rows)


def _half_hidden(alpha: Floats, rng: np.random.Generator) -> Floats:
    """The shares of a thing behind something that stands before it: a wall, or poles."""
    rows, columns = np.nonzero(covered(alpha))
    if not len(rows):
        return alpha
    x1, x2, y1, y2 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    hidden = alpha.copy()
    cut = rng.uniform(0.25, 0.7)
    match int(rng.integers(4)):
        case 0:
            hidden[:, : round(x1 + cut * (x2 - x1))] = 0
        case 1:
            hidden[:, round(x2 - cut * (x2 - x1)) :] = 0
        case 2:
            hidden[round(y2 - cut * (y2 - y1)) :] = 0
        case _:
            for _ in range(int(rng.integers(1, 4))):
                at = round(rng.uniform(x1, x2))
                hidden[:, at : at + max(1, round(0.12 * (x2 - x1)))] = 0
    return hidden
