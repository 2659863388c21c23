"""Plates of China: GA 36-2018, and older plates that are still seen."""

from __future__ import annotations

from models.plates.alphabet import CHINESE, DIGITS, PROVINCES
from models.plates.syntax import Country, Syntax

SERIAL_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Letters of a serial: no I and no O, which look like digits."""
OFFICES = SERIAL_LETTERS + "O"
"""Letters of the issuing office: O on older plates of authorities."""
NEW_ENERGY = "DFABCEGHJK"
"""First letter of a small new-energy vehicle's serial: D and A to E electric, F to K others."""
MILITARY_HEADS = "VKHBSLJNGCEZ"
ARMED_POLICE_TAILS = DIGITS + "XBTSHJD"

_SERIAL = DIGITS + SERIAL_LETTERS
_FIVE = (PROVINCES, OFFICES, *[_SERIAL] * 5)
_FOUR = (PROVINCES, OFFICES, *[_SERIAL] * 4)

_SYNTAXES = (
    Syntax("blue", _FIVE),
    Syntax("yellow", _FIVE),
    Syntax("yellow", (*_FOUR, "学")),
    Syntax("yellow_two_line", _FIVE),
    Syntax("yellow_two_line", (*_FOUR, "挂")),
    Syntax("green", (PROVINCES, OFFICES, NEW_ENERGY, _SERIAL, *[DIGITS] * 4)),
    Syntax("green_large", (PROVINCES, OFFICES, *[DIGITS] * 5, "DF")),
    Syntax("police", (*_FOUR, "警")),
    Syntax("military", (MILITARY_HEADS, SERIAL_LETTERS, *[_SERIAL] * 5)),
    Syntax("military", ("W", "J", PROVINCES, *[DIGITS] * 4, ARMED_POLICE_TAILS)),
    Syntax("emergency", (PROVINCES, "X", *[DIGITS] * 4, "应", "急")),
    Syntax("black", ("粤", "Z", *[_SERIAL] * 4, "港澳")),
    Syntax("black", (PROVINCES, OFFICES, *[DIGITS] * 4, "领")),
    Syntax("black", (*[DIGITS] * 6, "使")),
    Syntax("black", ("使", *[DIGITS] * 6)),
    Syntax("black", _FIVE),
)

CHINA = Country(
    name="china",
    characters=CHINESE,
    layouts=(
        "blue",
        "yellow",
        "yellow_two_line",
        "green",
        "green_large",
        "police",
        "military",
        "emergency",
        "black",
    ),
    syntaxes=_SYNTAXES,
    reader="china.onnx",
    two_lines=frozenset({"yellow_two_line"}),
    provinces=PROVINCES,
)
