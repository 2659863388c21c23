"""Random plates of a country, and readings that show them, for the tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from models.plates.reader import Reading
from models.plates.syntax import Country

PLACES = 8


@st.composite
def texts(draw: st.DrawFn, country: Country) -> str:
    """A plate that some syntax of the country allows."""
    syntax = draw(st.sampled_from(country.syntaxes))
    return "".join(draw(st.sampled_from(allowed)) for allowed in syntax.places)


def reading(text: str, country: Country, sure: float = 0.95) -> Reading:
    """A reading that shows a text, each character with the given probability."""
    count = len(country.characters)
    shares = np.full((PLACES, count), (1 - sure) / (count - 1), np.float64)
    for place in range(PLACES):
        shown = country.classes[text[place]] if place < len(text) else 0
        shares[place, shown] = sure
    layouts = np.full(len(country.layouts), 1 / len(country.layouts), np.float32)
    return Reading(np.log(shares).astype(np.float32), layouts)
