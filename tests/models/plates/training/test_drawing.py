"""Rendered plates: they say what their labels say, in every layout, the same for each seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.rectify import INPUT_HEIGHT_PX, INPUT_WIDTH_PX
from models.plates.training import china
from models.plates.training.drawing import draw_plate
from models.plates.training.glyphs import CHINESE_FONTS, FontsMissing, available, typeface
from models.plates.training.pool import SCRIPTS, Script, render
from models.plates.training.strokes import STROKES, draw

_SEEDS = st.integers(0, 1 << 40)


@pytest.mark.parametrize("name", SCRIPTS)
@given(seed=_SEEDS)
def test_every_rendered_plate_fits_the_syntax_of_its_layout(name: str, seed: int) -> None:
    script = SCRIPTS[name]
    plate = script.plate(np.random.default_rng(seed))
    assert plate.layout in script.country.layouts_of(plate.text)
    assert len(plate.boxes) == len(plate.text) <= script.places


@given(seed=_SEEDS)
def test_glyphs_lie_on_the_plate_and_do_not_overlap(seed: int) -> None:
    plate = china.plate(np.random.default_rng(seed))
    width, height = plate.size
    rows: dict[float, list[tuple[float, float]]] = {}
    for box in plate.boxes:
        assert 0 <= box.left < box.left + box.width <= width
        assert 0 <= box.top < box.top + box.height <= height
        rows.setdefault(box.top, []).append((box.left, box.left + box.width))
    for spans in rows.values():
        assert all(after[0] >= before[1] for before, after in pairwise(spans))


def test_all_layouts_are_rendered() -> None:
    random = np.random.default_rng(1)
    found = {china.plate(random).layout for _ in range(2000)}
    assert found == set(SCRIPTS["china"].country.layouts)


@pytest.mark.parametrize("character", STROKES)
def test_a_glyph_of_strokes_fills_its_box(character: str) -> None:
    glyph = draw(character, 45, 90, 9.0, np.zeros(7))
    rows, columns = np.nonzero(glyph > 127)
    assert rows.min() <= 2
    assert rows.max() >= 87
    assert 0.08 < (glyph > 127).mean() < 0.65
    assert columns.min() <= (30 if character in "1I" else 3)


@pytest.fixture(params=SCRIPTS.values(), ids=list(SCRIPTS))
def script(request: pytest.FixtureRequest) -> Script:
    try:
        available(CHINESE_FONTS)
    except FontsMissing as error:
        pytest.skip(str(error))
    found = request.param
    assert isinstance(found, Script)
    return found


def test_a_seed_gives_the_same_pictures_each_time(script: Script) -> None:
    first, again = render(script, 5, 7), render(script, 5, 7)
    for (picture, plate), (same, _) in zip(first, again, strict=True):
        assert picture.shape == (INPUT_HEIGHT_PX, INPUT_WIDTH_PX, 3)
        assert np.array_equal(picture, same)
        assert script.country.is_plate(plate.text)
    assert not np.array_equal(first[0][0], render(script, 6, 7)[0][0])


def test_drawings_have_the_colours_of_their_layout(script: Script) -> None:
    random = np.random.default_rng(3)
    plate = script.plate(random)
    drawing = draw_plate(plate, typeface(random, 0.5), random).reshape(-1, 3).astype(int)
    grounds = [*plate.ground, *([plate.left_panel[1]] if plate.left_panel else [])]
    low, high = np.min(grounds, axis=0) - 5, np.max(grounds, axis=0) + 5
    assert ((drawing >= low) & (drawing <= high)).all(axis=1).mean() > 0.4
