"""What plates may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.countries import COUNTRIES
from models.plates.countries.china import CHINA
from models.plates.countries.europe import EUROPE
from models.plates.syntax import Country, Syntax, normalised
from tests.models.plates.texts import texts


@pytest.mark.parametrize(
    ("text", "layouts"),
    [
        ("浙B12345", ["blue", "yellow", "yellow_two_line", "black"]),
        ("粤OA9112", ["blue", "yellow", "yellow_two_line", "black"]),
        ("渝B3587学", ["yellow"]),
        ("冀A1234挂", ["yellow_two_line"]),
        ("浙BD12345", ["green"]),
        ("浙B12345D", ["green_large"]),
        ("京A0006警", ["police"]),
        ("VA12345", ["military"]),
        ("WJ京1234X", ["military"]),
        ("川X1234应急", ["emergency"]),
        ("粤Z1234港", ["black"]),
        ("沪A0023领", ["black"]),
        ("224578使", ["black"]),
        ("使224578", ["black"]),
        ("浙BI2345", []),
        ("浙BO2345", []),
        ("浙112345", []),
        ("B12345", []),
        ("浙B1234", []),
        ("", []),
    ],
)
def test_a_chinese_plate_has_the_layouts_whose_syntax_it_fits(
    text: str, layouts: list[str]
) -> None:
    assert CHINA.layouts_of(text) == layouts
    assert CHINA.is_plate(text) == bool(layouts)


@pytest.mark.parametrize("text", ["BJ07ZXD", "BAB1234", "AB123CD", "1234BCD", "WOB12345"])
def test_european_plates_fit_the_forms_of_their_countries(text: str) -> None:
    assert EUROPE.is_plate(text)


@pytest.mark.parametrize("country", COUNTRIES.values(), ids=lambda country: country.name)
@given(data=st.data())
def test_what_a_syntax_allows_is_a_plate(country: Country, data: st.DataObject) -> None:
    text = data.draw(texts(country))
    assert country.is_plate(text)
    assert normalised(text) == text


@given(text=texts(CHINA), gap=st.sampled_from("·• -."), place=st.integers(0, 8))
def test_separators_and_case_do_not_matter(text: str, gap: str, place: int) -> None:
    assert normalised(text[:place].lower() + gap + text[place:]) == text


def test_a_syntax_with_an_empty_place_is_refused() -> None:
    with pytest.raises(ValueError, match="each place needs"):
        Syntax("blue", ("A", ""))


def test_a_country_whose_reader_lacks_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="knows no Ö"):
        Country("here", ("", "A"), ("white",), (Syntax("white", ("A", "Ö")),), "here.onnx")


def test_a_country_whose_reader_lacks_a_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="knows no layout 'red'"):
        Country("here", ("", "A"), ("white",), (Syntax("red", ("A",)),), "here.onnx")
