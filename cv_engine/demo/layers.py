"""Layers of the photograph: the empty street, the bus, the bollards and the two men.

Areas hidden by a person or the bus are filled along the lines that run to the street's vanishing
point: kerb, bus and house front consist of such lines, so they continue through the gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.demo import outlines
from cv_engine.demo.outlines import Outline

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_HEIGHT, _WIDTH = 1080, 810
_SEED = 7
# Rows of the straightened street are lines to the vanishing point, by their (y - y0) / (x0 - x).
_ROWS = 1700
_FIRST_LINE, _LAST_LINE = -0.42, 0.63
_STOREY = 0.125  # height of one storey of the house
_HOUSE_FOOT = 0.058
_KERB = 0.185
_EDGE_PX = 7  # pixels averaged at each side of a gap
_GRAIN_SHIFTS_PX = (330, -330, 200, -200)  # offsets to copy the paving's grain from, in this order


@dataclass(frozen=True)
class Cutout:
    """An object cut from the photograph.

    Attributes:
        image: float32 (H, W, 3) BGR, 0 to 255.
        alpha: float32 (H, W), 0 to 1.
        feet: Pixel (x, y) of ``image`` on the ground.
        feet_row: Row of the photograph in which the feet stand.
    """

    image: Floats
    alpha: Floats
    feet: tuple[float, float] = (0.0, 0.0)
    feet_row: float = 0.0


@dataclass(frozen=True)
class SceneLayers:
    """The layers of the scene, from back to front; all as large as the photograph."""

    street: Floats
    bus: Cutout
    bollards: Cutout
    walkers: tuple[Cutout, ...]


def split_photograph(photo: NDArray[np.uint8]) -> SceneLayers:
    """Split the photograph ``bus.jpg`` (uint8 (1080, 810, 3) BGR) into layers."""
    if photo.shape != (_HEIGHT, _WIDTH, 3):
        raise ValueError(f"the photograph is {photo.shape}, not {(_HEIGHT, _WIDTH, 3)}")
    image = photo.astype(np.float32)
    bus_scene = _without_people(image)
    street = _without_bus(bus_scene)
    return SceneLayers(
        street=street,
        bus=Cutout(bus_scene, _alpha(outlines.BUS, blur=1.2)),
        bollards=Cutout(image, _alpha(*outlines.BOLLARDS)),
        walkers=(
            _walker(image, outlines.MAN_IN_CREAM),
            _walker(image, outlines.MAN_IN_BLACK),
        ),
    )


def _mask(*polygons: Outline, grow: int = 0) -> NDArray[np.uint8]:
    mask = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.array(polygon, np.int32)], (255,))
    if grow:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
        mask = cv2.dilate(mask, disc).astype(np.uint8)
    return mask


def _alpha(*polygons: Outline, blur: float = 0.8, grow: int = 0) -> Floats:
    soft = cv2.GaussianBlur(_mask(*polygons, grow=grow).astype(np.float32) / 255, (0, 0), blur)
    return soft.astype(np.float32)


def _mix(under: Floats, over: Floats, alpha: Floats) -> Floats:
    return (under + (over - under) * alpha[..., None]).astype(np.float32)


def _walker(image: Floats, outline: Outline) -> Cutout:
    x, y, width, height = cv2.boundingRect(np.array(outline, np.int32))
    margin = 4
    part = np.s_[y - margin : y + height + margin, x - margin : x + width + margin]
    feet = (width / 2 + margin, height + margin)
    return Cutout(image[part].copy(), _alpha(outline)[part].copy(), feet, float(y + height))


def _without_people(image: Floats) -> Floats:
    people = (
        outlines.MAN_IN_CREAM,
        outlines.MAN_IN_BLACK,
        outlines.WOMAN_AT_THE_LEFT,
        outlines.MAN_AT_THE_RIGHT,
        outlines.HIDDEN_BOLLARD,
    )
    hole = _mask(*people, grow=5) | _mask(*outlines.SHADOWS, grow=3)
    hole |= _mask(*outlines.BOLLARDS, grow=4)
    gap = _straighten(hole.astype(np.float32)) > 127
    filled = _fill(_straighten(image), gap)
    filled += _grain(filled, gap)
    clean = _mix(image, _bend_back(filled), _soft(hole))
    return _whole_wheel(clean)


def _soft(mask: NDArray[np.uint8]) -> Floats:
    return cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), 1.5).astype(np.float32)


def _lines() -> Floats:
    return np.linspace(_FIRST_LINE, _LAST_LINE, _ROWS, dtype=np.float32)


def _row(line: float) -> int:
    return round((line - _FIRST_LINE) / (_LAST_LINE - _FIRST_LINE) * (_ROWS - 1))


def _straighten(image: Floats) -> Floats:
    """Resample so that lines to the vanishing point become rows; columns stay."""
    x0, y0 = outlines.VANISHING_POINT
    x = np.broadcast_to(np.arange(_WIDTH, dtype=np.float32), (_ROWS, _WIDTH)).copy()
    y = (y0 + _lines()[:, None] * (x0 - x)).astype(np.float32)
    out = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return out.astype(np.float32)


def _bend_back(rows: Floats) -> Floats:
    x0, y0 = outlines.VANISHING_POINT
    y, x = np.mgrid[:_HEIGHT, :_WIDTH].astype(np.float32)
    line = (y - y0) / (x0 - x)
    row = (line - _FIRST_LINE) / (_LAST_LINE - _FIRST_LINE) * (_ROWS - 1)
    out = cv2.remap(
        rows, x, row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return out.astype(np.float32)


def _fill(rows: Floats, gap: Mask) -> Floats:
    """Fill each gap of a row by a smooth transition between the pixels on both sides."""
    out = rows.copy()
    steady = cv2.blur(rows, (1, 5))
    for i in np.flatnonzero(gap.any(axis=1)):
        edges = np.diff(np.concatenate([[0], gap[i].astype(np.int8), [0]]))
        for a, b in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            left = steady[i, max(0, a - _EDGE_PX) : a]
            right = steady[i, b : b + _EDGE_PX]
            if not len(left) and not len(right):
                continue
            start = (left if len(left) else right).mean(axis=0)
            end = (right if len(right) else left).mean(axis=0)
            t = ((np.arange(a, b) - a + 0.5) / (b - a))[:, None]
            t = t * t * (3 - 2 * t)
            out[i, a:b] = start * (1 - t) + end * t
    return out


def _grain(rows: Floats, gap: Mask) -> Floats:
    """Return the paving's grain for gaps, copied from beside them."""
    fine = rows - cv2.GaussianBlur(rows, (0, 0), 6)
    ground = np.arange(_ROWS)[:, None] > _row(_KERB - 0.015)
    grain = np.zeros_like(rows)
    done = np.zeros_like(gap)
    for shift in _GRAIN_SHIFTS_PX:
        usable = ~np.roll(gap, -shift, axis=1)
        usable[:, slice(_WIDTH - shift, None) if shift > 0 else slice(None, -shift)] = False
        take = gap & usable & ground & ~done
        grain[take] = np.roll(fine, -shift, axis=1)[take]
        done |= take
    return grain


def _whole_wheel(image: Floats) -> Floats:
    """Complete the front wheel, whose left half a man hides, by mirroring its right half."""
    (x, y), half_axes = outlines.FRONT_WHEEL
    half = np.zeros((_HEIGHT, _WIDTH), np.float32)
    cv2.ellipse(half, (x, y), half_axes, 4, 0, 360, (1.0,), -1)
    half[:, x:] = 0
    mirrored = image[:, np.clip(2 * x - np.arange(_WIDTH), 0, _WIDTH - 1)]
    return _mix(image, mirrored, cv2.GaussianBlur(half, (0, 0), 1.5).astype(np.float32))


def _without_bus(scene: Floats) -> Floats:
    """Fill the area of the bus with one more storey of the house and the empty road."""
    hole = _mask(outlines.BUS_AND_SMEAR, grow=6)
    rows = _straighten(scene)
    gap = _straighten(hole.astype(np.float32)) > 127
    storey, foot, kerb = _row(_FIRST_LINE + _STOREY), _row(_HOUSE_FOOT), _row(_KERB)
    for i in range(storey, foot):
        rows[i, gap[i]] = rows[i - storey, gap[i]]
    rng = np.random.default_rng(_SEED)
    noise = rng.normal(0, 1, (_ROWS, _WIDTH)).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), 1.0) * 16 + cv2.GaussianBlur(noise, (0, 0), 25) * 90
    for i in range(foot, _ROWS):
        rows[i, gap[i]] = _road((i - foot) / (kerb - foot)) + grain[i, gap[i], None]
    return _mix(scene, _bend_back(rows), _soft(hole))


def _road(across: float) -> Floats:
    """Return the road's BGR colour, from the foot of the house (0) to the near kerb (1)."""
    if across < 0.16:
        grey = 158.0  # far pavement
    elif across < 0.2:
        grey = 88.0  # far kerb's face
    elif 0.52 < across < 0.555:
        grey = 205.0  # the line between the lanes
    elif across < 0.93:
        grey = 112.0 + 22.0 * across
    else:
        grey = 74.0  # gutter
    return np.array([grey * 1.01, grey, grey * 1.01], np.float32)
