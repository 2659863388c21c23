from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.plate import normal_plate
from zones.errors import WrongValue


@pytest.mark.parametrize(
    "written",
    [
        "浙B12345",
        "浙b12345",
        "浙B·12345",
        "浙B-12345",
        " 浙B 123 45",
        " 浙 b-123 45 ",
        "浙Ｂ１２３４５",
        "浙B•12345",
    ],
)
def test_a_plate_has_one_spelling(written: str) -> None:
    assert normal_plate(written) == "浙B12345"


def test_plates_of_other_countries_lose_their_spaces_and_dashes() -> None:
    assert normal_plate("B-MW 1234") == "BMW1234"
    assert normal_plate("ö·xy-7") == "ÖXY7"


@pytest.mark.parametrize(
    "written", ["", "浙", "·", "浙B12345浙B12345", "浙B1234?", "A'; DROP", "%"]
)
def test_what_is_no_plate_is_refused(written: str) -> None:
    with pytest.raises(WrongValue, match="is no plate"):
        normal_plate(written)


@given(st.text(max_size=14))
def test_the_spelling_of_a_spelling_is_the_same(written: str) -> None:
    try:
        plate = normal_plate(written)
    except WrongValue:
        return
    assert normal_plate(plate) == plate
    assert plate.isalnum()
