"""Random Chinese plates in the national layouts (GA 36-2018 and the older ones still seen)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.plates.alphabet import DIGITS, PROVINCES
from models.plates.countries.china import (
    ARMED_POLICE_TAILS,
    MILITARY_HEADS,
    NEW_ENERGY,
    SERIAL_LETTERS,
)
from models.plates.training.drawing import Box, Colour, Plate

PLACES = 8
_WHITE: Colour = (240, 240, 240)
_BLACK: Colour = (25, 25, 25)

_OLD_OFFICES = 0.008  # share of plates with the letter O, which looks like D and Q

Random = np.random.Generator


def _pick(random: Random, characters: str, count: int = 1) -> str:
    return "".join(characters[int(k)] for k in random.integers(0, len(characters), count))


def _shade(random: Random, colour: Colour, spread: int = 22) -> Colour:
    values = np.clip(np.array(colour) + random.integers(-spread, spread + 1, 3), 0, 255)
    return int(values[0]), int(values[1]), int(values[2])


def _serial(random: Random, count: int) -> str:
    """Return a serial of digits with none to three letters, or one much repeated character."""
    if random.random() < 0.06:
        return _pick(random, DIGITS + SERIAL_LETTERS) * count
    letters = int(random.choice([0, 1, 2, 3], p=[0.25, 0.3, 0.35, 0.1]))
    letters = min(letters, count)
    serial = list(_pick(random, DIGITS, count))
    for place in random.permutation(count)[:letters]:
        serial[int(place)] = _pick(random, SERIAL_LETTERS)
    return "".join(serial)


def _one_line(count: int = 7) -> tuple[Box, ...]:
    """Boxes of a plate of 440 x 140 mm: two characters, a dot, then the rest."""
    lefts = [15.5, 72.5] + [151.5 + 57 * k for k in range(count - 2)]
    return tuple(Box(left, 25, 45, 90) for left in lefts)


def _standard(
    text: str, layout: str, ground: tuple[Colour, Colour], ink: Colour, red: frozenset[int]
) -> Plate:
    return Plate(text, layout, (440, 140), _one_line(), ground, ink, red, ((134.5, 70),))


def _head(random: Random) -> str:
    office = "O" if random.random() < _OLD_OFFICES else _pick(random, SERIAL_LETTERS)
    return _pick(random, PROVINCES) + office


def blue(random: Random) -> Plate:
    """Small cars; white on blue."""
    ground = _shade(random, (190, 80, 20), 45)
    text = _head(random) + _serial(random, 5)
    return _standard(text, "blue", (ground, ground), _WHITE, frozenset())


def yellow(random: Random) -> Plate:
    """Large vehicles in front, and learners; black on yellow."""
    ground = _shade(random, (20, 170, 235), 40)
    text = _head(random) + _serial(random, 5)
    red: frozenset[int] = frozenset()
    if random.random() < 0.2:
        text, red = text[:-1] + "学", frozenset({6}) if random.random() < 0.3 else red
    return _standard(text, "yellow", (ground, ground), _BLACK, red)


def yellow_two_line(random: Random) -> Plate:
    """Large vehicles behind, and trailers; black on yellow, in two lines."""
    ground = _shade(random, (20, 170, 235), 40)
    text = _head(random) + _serial(random, 5)
    if random.random() < 0.3:
        text = text[:-1] + "挂"
    return _two_lines(text, "yellow_two_line", (ground, ground), _BLACK, frozenset())


def _two_lines(
    text: str, layout: str, ground: tuple[Colour, Colour], ink: Colour, red: frozenset[int]
) -> Plate:
    upper = [Box(110, 15, 80, 60), Box(250, 15, 80, 60)]
    lower = [Box(27.5 + 80 * k, 90, 65, 110) for k in range(5)]
    return Plate(text, layout, (440, 220), (*upper, *lower), ground, ink, red, ((220, 45),))


def _eight(
    text: str,
    layout: str,
    ground: tuple[Colour, Colour],
    panel: tuple[float, Colour] | None,
) -> Plate:
    lefts = [15.5, 69.5] + [161.5 + 52 * k for k in range(6)]
    boxes = tuple(Box(left, 25, 45 if k == 0 else 43, 90) for k, left in enumerate(lefts))
    return Plate(text, layout, (480, 140), boxes, ground, _BLACK, left_panel=panel)


def green(random: Random) -> Plate:
    """Small new-energy vehicles; black on a ground from white to green."""
    kind = _pick(random, "DF" * 5 + NEW_ENERGY)
    rest = _serial(random, 5)
    text = _head(random) + kind + rest[0] + _pick(random, DIGITS, 4)
    top = _shade(random, (225, 240, 225), 20)
    return _eight(text, "green", (top, _shade(random, (115, 200, 70), 35)), None)


def green_large(random: Random) -> Plate:
    """Large new-energy vehicles; black on yellow, then on green."""
    text = _head(random) + _pick(random, DIGITS, 5) + _pick(random, "DF")
    ground = _shade(random, (115, 200, 70), 35)
    panel = (random.uniform(118, 140), _shade(random, (20, 180, 235), 30))
    return _eight(text, "green_large", (ground, ground), panel)


def police(random: Random) -> Plate:
    """Police; black on white, the last character red."""
    text = _head(random) + _serial(random, 4) + "警"
    ground = _shade(random, (225, 225, 225), 25)
    return _standard(text, "police", (ground, ground), _BLACK, frozenset({6}))


def military(random: Random) -> Plate:
    """Armed forces: two letters, the first one red, and five characters; or WJ."""
    ground = _shade(random, (225, 225, 225), 25)
    if random.random() < 0.3:
        last = _pick(random, ARMED_POLICE_TAILS)
        text = "WJ" + _pick(random, PROVINCES) + _pick(random, DIGITS, 4) + last
        lefts = [15.5, 66, 117] + [170 + 51 * k for k in range(5)]
        boxes = tuple(Box(left, 25, 42, 90) for left in lefts)
        return Plate(
            text, "military", (440, 140), boxes, (ground, ground), _BLACK, frozenset({0, 1})
        )
    text = _pick(random, MILITARY_HEADS) + _pick(random, SERIAL_LETTERS) + _serial(random, 5)
    return _standard(text, "military", (ground, ground), _BLACK, frozenset({0}))


def emergency(random: Random) -> Plate:
    """Fire and rescue: black on white, the last two characters red."""
    text = _pick(random, PROVINCES) + "X" + _pick(random, DIGITS, 4) + "应急"
    ground = _shade(random, (225, 225, 225), 25)
    plate = _eight(text, "emergency", (ground, ground), None)
    return Plate(
        text, "emergency", plate.size, plate.boxes, plate.ground, _BLACK, frozenset({1, 6, 7})
    )


def black(random: Random) -> Plate:
    """Hong Kong and Macau, embassies and consulates, older foreign firms; white on black."""
    kind = random.random()
    if kind < 0.4:
        text = "粤Z" + _serial(random, 4) + _pick(random, "港澳")
    elif kind < 0.55:
        text = _pick(random, DIGITS, 6) + "使"
    elif kind < 0.7:
        text = _head(random) + _pick(random, DIGITS, 4) + "领"
    elif kind < 0.8:
        text = "使" + _pick(random, DIGITS, 6)
    else:
        text = _head(random) + _serial(random, 5)
    ground = _shade(random, (25, 25, 25), 20)
    return _standard(text, "black", (ground, ground), _WHITE, frozenset())


LAYOUTS: tuple[tuple[Callable[[Random], Plate], float], ...] = (
    (blue, 0.48),
    (yellow, 0.11),
    (yellow_two_line, 0.09),
    (green, 0.13),
    (green_large, 0.05),
    (police, 0.04),
    (military, 0.03),
    (emergency, 0.02),
    (black, 0.05),
)
"""Each kind of plate with its share of the rendered ones."""
_WEIGHTS = np.array([share for _, share in LAYOUTS])


def plate(random: Random) -> Plate:
    """Draw a Chinese plate at random."""
    chosen = int(random.choice(len(LAYOUTS), p=_WEIGHTS / _WEIGHTS.sum()))
    return LAYOUTS[chosen][0](random)
