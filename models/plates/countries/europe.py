"""Plates of European countries: Latin letters and digits, with a blue band at the left."""

from __future__ import annotations

from models.plates.alphabet import DIGITS, LATIN, LETTERS
from models.plates.syntax import Country, Syntax

FORMS = (
    "A AA 9999",
    "AAA A 9999",
    "AAA 99999",
    "AA AA 999",
    "AAA A 999",
    "AAA AA 99",
    "A A 9999",
    "AA A 99",
    "AA 999 AA",
    "AA999 AA",
    "AA99 AAA",
    "9999 AAA",
    "99 AAA 9",
    "A 999 AA",
    "AAA 999",
    "AAA 99A",
    "AA 99999",
    "AAA 9999",
    "AA 99 AA",
    "99 AA 99",
    "AA 9999 AA",
    "9 AAA 999",
    "A 99999",
)
"""Forms of Germany, France, Italy, the United Kingdom, Spain, the Netherlands, Sweden, Poland,
Austria, Portugal, Hungary and others: A stands for a letter, 9 for a digit."""

_KINDS = {"A": LETTERS, "9": DIGITS}
_SHAPES = dict.fromkeys(form.replace(" ", "") for form in FORMS)
_LAYOUTS = ("eu_white", "eu_yellow")

EUROPE = Country(
    name="europe",
    characters=LATIN,
    layouts=_LAYOUTS,
    syntaxes=tuple(
        Syntax(layout, tuple(_KINDS[kind] for kind in shape))
        for layout in _LAYOUTS
        for shape in _SHAPES
    ),
    reader="europe.onnx",
)
