from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.composed.ground import PERSON_M, Ground

SQUARE = np.array([[0, 50], [100, 50], [100, 100], [0, 100]], np.float64)
GROUND = Ground(20.0, 60.0, 100.0, SQUARE, True)


def test_a_person_is_as_high_as_was_read_at_the_lower_edge_and_nothing_at_the_horizon() -> None:
    assert GROUND.metre(100) * PERSON_M == pytest.approx(60)
    assert GROUND.metre(60) * PERSON_M == pytest.approx(30)
    assert GROUND.metre(10) == 0


@given(st.floats(0, 60), st.floats(0, 40), st.floats(0.5, 4), st.floats(41, 99))
def test_a_window_keeps_sizes(left: float, top: float, scale: float, row: float) -> None:
    window = GROUND.window(left, top, scale, 60 * scale)
    assert window.metre((row - top) * scale) == pytest.approx(GROUND.metre(row) * scale)


@given(st.floats(21, 100))
def test_the_row_of_a_size(row: float) -> None:
    assert GROUND.row_of(GROUND.metre(row)) == pytest.approx(row)


def test_the_ground_ends_at_its_corners_and_is_mirrored() -> None:
    slope = Ground(0.0, 60.0, 100.0, np.array([[10, 100], [30, 50], [60, 50], [90, 100]]), False)
    assert slope.span(75) == pytest.approx((20, 75))
    assert slope.span(40) is None
    assert slope.mirrored(100).span(75) == pytest.approx((25, 80))
