"""Plates cut out by their corners."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.rectify import (
    INPUT_HEIGHT_PX,
    INPUT_WIDTH_PX,
    UPPER_WIDTH_PX,
    cut_out,
    one_line,
    two_lines,
    whole,
)
from tests.models.plates.pictures import checked, placed

_SHAPE = (INPUT_HEIGHT_PX, INPUT_WIDTH_PX, 3)
_SHIFTS = st.lists(st.floats(-12, 12), min_size=8, max_size=8)


@given(shifts=_SHIFTS, scale=st.floats(0.5, 3))
def test_a_plate_seen_at_an_angle_is_upright_again(shifts: list[float], scale: float) -> None:
    base = np.array([[60, 40], [220, 40], [220, 100], [60, 100]], np.float32)
    corners = ((base + np.reshape(shifts, (4, 2))) * scale).astype(np.float32)
    size = (round(300 * scale), round(150 * scale))
    picture = placed(checked(320, 120), corners, size)
    found = cut_out(picture, corners, (160, 60)).astype(int)
    upper, lower = found[8:20], found[30:52]
    assert upper[..., 2].mean() > 150
    assert upper[..., 1].mean() < 50
    assert lower[..., 1].mean() > 150
    assert found[10:50, 10:70, 0].mean() > 120  # the left half is blue
    assert found[10:50, 90:150, 0].mean() < 40


def test_two_lines_lie_side_by_side() -> None:
    corners = np.array([[20, 20], [240, 20], [240, 130], [20, 130]], np.float32)
    found = two_lines(placed(checked(440, 220), corners, (260, 150)), corners).astype(int)
    assert found.shape == _SHAPE
    upper, lower = found[2:28, 4 : UPPER_WIDTH_PX - 4], found[12:28, UPPER_WIDTH_PX + 4 :]
    assert upper[..., 2].mean() > 150
    assert lower[..., 1].mean() > 150


@pytest.mark.parametrize("size", [(94, 24), (40, 10), (900, 250)])
def test_a_crop_of_any_size_becomes_the_readers_input(size: tuple[int, int]) -> None:
    assert whole(checked(*size)).shape == _SHAPE


def test_a_large_plate_keeps_its_mean_and_gains_no_pattern() -> None:
    # Stripes of one pixel, far finer than the input: point sampling would make broad ones of them.
    fine = np.zeros((700, 2200, 3), np.uint8)
    fine[:, ::2] = 255
    corners = np.array([[100, 100], [2100, 100], [2100, 600], [100, 600]], np.float32)
    found = one_line(fine, corners).astype(float)
    assert found.mean() == pytest.approx(127, abs=3)
    assert found.std() < 12  # 127 with one sample per pixel


def test_a_plate_at_the_edge_of_the_picture_is_cut_out() -> None:
    corners = np.array([[-20, -5], [120, -5], [120, 40], [-20, 40]], np.float32)
    assert one_line(checked(200, 80), corners).shape == _SHAPE
