from __future__ import annotations

import numpy as np
import pytest

from cv_engine.scene.background import Region
from cv_engine.scene.pieces import came_with, filled, joined

_SHAPE = (100, 200)


def _region(x1: int, y1: int, x2: int, y2: int, since: float = 10.0) -> Region:
    return filled(np.array([x1, y1, x2, y2], np.float32), since, _SHAPE)


def test_a_piece_that_came_at_once_and_touches_belongs_to_it() -> None:
    body, lid = _region(50, 40, 90, 80), _region(60, 30, 80, 38)
    (whole,) = joined([body, lid])
    assert whole.box == (50, 30, 90, 80)
    assert whole.area == body.area + lid.area
    assert not whole.mask[9, 0], "between lid and body lies what shows the ground"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_region(60, 20, 80, 35), id="farther-off"),
        pytest.param(_region(60, 30, 80, 38, since=14.0), id="later"),
        pytest.param(_region(92, 40, 130, 80), id="as-large"),
    ],
)
def test_others_are_things_of_their_own(other: Region) -> None:
    body = _region(50, 40, 90, 80)
    assert joined([body, other]) == [body, other]


def test_a_box_that_sticks_out_is_cut() -> None:
    assert _region(-10, -5, 30, 20).box == (0, 0, 30, 20)
    assert _region(150, 90, 260, 130).box == (150, 90, 200, 100)


@pytest.mark.parametrize(
    ("light", "together"),
    [
        pytest.param(_region(120, 10, 190, 60), True, id="as-large-at-the-same-time"),
        pytest.param(_region(120, 10, 190, 60, since=14.0), False, id="later"),
        pytest.param(_region(120, 10, 130, 20), False, id="smaller"),
        pytest.param(_region(60, 55, 110, 99), False, id="beside-it"),
    ],
)
def test_a_thing_comes_alone(light: Region, together: bool) -> None:
    assert came_with([light], _region(20, 40, 50, 70)) is together
