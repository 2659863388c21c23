"""Random plates of European countries: Latin letters and digits, a blue band at the left."""

from __future__ import annotations

import numpy as np

from models.plates.alphabet import DIGITS, LETTERS
from models.plates.countries.europe import EUROPE, FORMS
from models.plates.training.drawing import Box, Colour, Plate

PLACES = 8
LAYOUT_NAMES = EUROPE.layouts
_BLACK: Colour = (25, 25, 25)
_BAND: Colour = (150, 60, 10)
_BAND_MM = 42

_WIDE_MM = 46.0
_GAP_MM = 22.0


def _filled(form: str, random: np.random.Generator) -> str:
    kinds = {"A": LETTERS, "9": DIGITS, " ": " "}
    return "".join(kinds[k][int(random.integers(0, len(kinds[k])))] for k in form)


def plate(random: np.random.Generator) -> Plate:
    """Draw a European plate at random, 520 x 112 mm."""
    text = _filled(FORMS[int(random.integers(0, len(FORMS)))], random)
    band = random.random() < 0.85
    yellow = random.random() < 0.25
    shade = np.array([30, 195, 240] if yellow else [235, 235, 235])
    shade = np.clip(shade + random.integers(-20, 21, 3), 0, 255)
    ground = (int(shade[0]), int(shade[1]), int(shade[2]))
    room = 520.0 - (_BAND_MM if band else 0) - 30
    used = sum(_GAP_MM if c == " " else _WIDE_MM + 8 for c in text)
    scale = min(1.0, room / used)
    left = (_BAND_MM if band else 0) + 15 + (room - used * scale) / 2
    boxes = []
    for character in text:
        if character != " ":
            boxes.append(Box(left, 17, _WIDE_MM * scale, 78))
        left += (_GAP_MM if character == " " else _WIDE_MM + 8) * scale
    return Plate(
        text.replace(" ", ""),
        LAYOUT_NAMES[int(yellow)],
        (520, 112),
        boxes,
        (ground, ground),
        _BLACK,
        left_panel=(_BAND_MM, _BAND) if band else None,
    )
