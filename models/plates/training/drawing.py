"""Flat drawings of whole plates: colours, glyphs, border, bolts, before any camera sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from models.plates.training.glyphs import Typeface

Colour = tuple[int, int, int]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a glyph lies, millimetres."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate to be drawn.

    Attributes:
        text: The characters, one for each box.
        layout: Name of its layout.
        size: Width and height, millimetres (one pixel each).
        boxes: Boxes of the characters.
        ground: Colour of the ground, BGR; two for a gradient from top to bottom.
        ink: Colour of the characters, BGR.
        red: Indices of characters that are red.
        dots: Centres of separating dots, millimetres.
        left_panel: Width of a panel of another colour at the left, and its colour.
    """

    text: str
    layout: str
    size: tuple[int, int]
    boxes: Sequence[Box]
    ground: tuple[Colour, Colour]
    ink: Colour
    red: frozenset[int] = field(default_factory=frozenset)
    dots: tuple[tuple[float, float], ...] = ()
    left_panel: tuple[float, Colour] | None = None


_RED: Colour = (40, 30, 200)
_DOT_RADIUS_MM = 5
_EMBOSSED = 0.6  # share of plates on which the embossing can be seen
_GROOVE_MM = 5


def draw_plate(plate: Plate, face: Typeface, random: np.random.Generator) -> Picture:
    """Draw a plate in BGR, one pixel a millimetre."""
    picture = _ground(plate)
    picture = _border(picture, plate, random)
    slack = random.uniform(0, 2.0)
    groove = random.uniform(0.15, 0.7) if random.random() < _EMBOSSED else 0.0
    for index, (character, box) in enumerate(zip(plate.text, plate.boxes, strict=True)):
        ink = _RED if index in plate.red else plate.ink
        _ink(picture, face, character, box, ink, slack, groove, random)
    if random.random() < 0.85:
        radius = _DOT_RADIUS_MM + int(random.integers(-1, 2))
        for x, y in plate.dots:
            cv2.circle(picture, (round(x), round(y)), radius, plate.ink, -1, cv2.LINE_AA)
    if random.random() < 0.7:
        _bolts(picture, random)
    return picture


def _ground(plate: Plate) -> Picture:
    width, height = plate.size
    share = np.linspace(0, 1, height)[:, None, None]
    first, last = (np.array(colour, np.float64) for colour in plate.ground)
    column = first * (1 - share) + last * share
    picture = np.repeat(column, width, axis=1).astype(np.uint8)
    if plate.left_panel:
        panel, colour = plate.left_panel
        picture[:, : round(panel)] = colour
    return picture


def _border(picture: Picture, plate: Plate, random: np.random.Generator) -> Picture:
    """Draw the line along the edge, which newer plates have and frames often hide."""
    if random.random() < 0.75:
        inset = int(random.integers(3, 8))
        width, height = plate.size
        cv2.rectangle(
            picture,
            (inset, inset),
            (width - inset, height - inset),
            plate.ink,
            int(random.integers(2, 5)),
            cv2.LINE_AA,
        )
    return picture


def _ink(
    picture: Picture,
    face: Typeface,
    character: str,
    box: Box,
    ink: Colour,
    slack: float,
    groove: float,
    random: np.random.Generator,
) -> None:
    glyph = face.glyph(character, round(box.width), round(box.height))
    if groove:
        # Glyphs are embossed: the ground falls into shadow along their edges.
        rim = _GROOVE_MM
        wide = cv2.copyMakeBorder(glyph, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=0)
        around = cv2.GaussianBlur(cv2.dilate(wide, np.ones((rim, rim), np.uint8)), (0, 0), 1.2)
        _shaded(picture, around.astype(np.uint8), box.left - rim, box.top - rim, groove)
    left = round(box.left + random.uniform(-slack, slack))
    top = round(box.top + random.uniform(-slack, slack))
    height, width = glyph.shape
    part = picture[top : top + height, left : left + width]
    share = glyph[: part.shape[0], : part.shape[1], None].astype(np.float32) / 255
    part[:] = (part * (1 - share) + np.array(ink, np.float32) * share).astype(np.uint8)


def _shaded(picture: Picture, cover: Picture, left: float, top: float, darkness: float) -> None:
    """Darken a picture where ``cover`` lies, which may reach beyond its edges."""
    x, y = max(0, round(left)), max(0, round(top))
    cover = cover[y - round(top) :, x - round(left) :]
    part = picture[y : y + cover.shape[0], x : x + cover.shape[1]]
    share = cover[: part.shape[0], : part.shape[1], None].astype(np.float32) / 255 * darkness
    part[:] = (part * (1 - share)).astype(np.uint8)


def _bolts(picture: Picture, random: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    grey = int(random.integers(90, 235))
    colour = (grey, grey, grey) if random.random() < 0.7 else (60, int(grey * 0.8), grey)
    x, y = width * random.uniform(0.2, 0.3), height * random.uniform(0.05, 0.12)
    spots = [(x, y), (width - x, y)]
    if random.random() < 0.4:
        spots += [(x, height - y), (width - x, height - y)]
    radius = int(random.integers(4, 10))
    for spot in spots:
        centre = (round(spot[0]), round(spot[1]))
        cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)
        cv2.circle(picture, centre, radius, (40, 40, 40), 1, cv2.LINE_AA)
