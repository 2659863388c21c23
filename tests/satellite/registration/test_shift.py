from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.registration.shift import ShiftField, lattice_shape


def bent(seed: int = 0, width: int = 700, height: int = 500, step: float = 90.0) -> ShiftField:
    rng = np.random.default_rng(seed)
    affine = np.array([[3.3, 1e-3, -5e-4], [-2.7, 2e-4, 1e-3]])
    lattice = rng.normal(size=(2, *lattice_shape(width, height, step)))
    return ShiftField(width, height, affine, step, lattice, 0.31, 40, 50)


@given(x=st.integers(-60, 760), y=st.integers(-60, 560))
def test_shifts_of_windows_and_points_agree(x: int, y: int) -> None:
    field = bent()
    window = field.at(Window(x - 3, y - 2, 8, 5))
    point = field.at_points(np.array([[x + 0.5, y + 0.5]]))[0]
    assert window.dtype == np.float32
    assert window[:, 2, 3] == pytest.approx(point, abs=1e-4)


@given(
    x=st.integers(-60, 760),
    y=st.integers(-60, 560),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
)
def test_read_positions_are_pixels_plus_shifts(x: int, y: int, width: int, height: int) -> None:
    field = bent()
    window = Window(x, y, width, height)
    places = np.stack(field.read_positions(window, Window(x - 5, y + 2, width + 9, height)))
    places += np.array([-5, 2], np.float32)[:, None, None]
    rows, cols = np.mgrid[:height, :width]
    assert places.shape == (2, height, width)
    inside = np.s_[:, max(0, -y) : 500 - y, max(0, -x) : 700 - x]
    off = places - np.stack([cols, rows]) - field.at(window)
    assert np.abs(off).max(initial=0) < 0.2
    assert np.abs(off[inside]).max(initial=0) < 0.03


@given(x=st.integers(-100, 700), y=st.integers(-100, 500), side=st.integers(16, 300))
def test_the_range_bounds_the_shifts_in_a_window(x: int, y: int, side: int) -> None:
    field = bent()
    window = Window(x, y, side, side)
    least, largest = field.range_in(window)
    shifts = field.at(window).reshape(2, -1)
    assert (shifts.min(axis=1) >= least - 0.1).all()
    assert (shifts.max(axis=1) <= largest + 0.1).all()


def test_a_constant_field_has_one_shift_everywhere() -> None:
    field = ShiftField.constant(300, 200, 1.5, -0.5)
    assert np.allclose(field.at(Window(-50, -50, 400, 300)).reshape(2, -1).T, (1.5, -0.5))
    assert field.largest_px == pytest.approx(np.hypot(1.5, 0.5))


def test_splines_are_constant_beyond_the_grid() -> None:
    field = bent()
    far, edge = field.at_points(np.array([[5000.0, 250], [700, 250]]))
    across = field.affine[:, 1] * 4300
    assert far - across == pytest.approx(edge, abs=1e-6)


def test_a_field_round_trips_through_json() -> None:
    field = bent()
    back = ShiftField.from_dict(json.loads(json.dumps(field.to_dict())))
    window = Window(10, 20, 100, 80)
    assert (back.at(window) == field.at(window)).all()
    assert (back.residual_px, back.chips, back.offered) == (0.31, 40, 50)


@pytest.mark.parametrize(
    "change",
    [{"lattice": [[[1.0]]]}, {"affine": [1, 2]}, {"step_px": 0}, {"width": "wide"}, {"more": 1}],
)
def test_an_invalid_stored_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SatelliteError, match="stored shift field"):
        ShiftField.from_dict(bent().to_dict() | change)
