from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.registration.correlation import Grey, correlate, find_peak, texture, weighted_centre

SIDE = 128


def ground(seed: int = 0) -> Grey:
    noise = np.random.default_rng(seed).normal(size=(SIDE + 64, SIDE + 64)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(np.clip(128 + 60 * smooth / smooth.std(), 0, 255), np.uint8)


def cut(picture: Grey, dx: float, dy: float) -> Grey:
    """A window displaced by dx: at x + dx it shows what the original shows at x."""
    step = np.array([[1, 0, 32 - dx], [0, 1, 32 - dy]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, step, (SIDE, SIDE), flags=flags), np.uint8)


GROUND = ground()
HERE = cut(GROUND, 0, 0)


@given(dx=st.floats(-12, 12), dy=st.floats(-12, 12))
def test_shifts_are_measured_to_a_fraction_of_a_pixel(dx: float, dy: float) -> None:
    found = find_peak(correlate(HERE, cut(GROUND, dx, dy)), 14)
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=0.1)
    assert found.height > 6


@pytest.mark.parametrize(
    ("gain", "bias"),
    [(0.4, 20), (0.8, -12), (-0.9, 250)],
    ids=["pale", "darker", "inverted is another thing"],
)
def test_the_shift_is_invariant_to_light(gain: float, bias: float) -> None:
    there = np.clip(gain * cut(GROUND, 2.4, -1.7).astype(float) + bias, 0, 255).astype(np.uint8)
    found = find_peak(correlate(HERE, there), 14)
    same = abs(found.dx - 2.4) < 0.15 and abs(found.dy + 1.7) < 0.15
    assert same == (gain > 0)


def test_the_shift_is_robust_to_change_of_half_of_the_ground() -> None:
    there = cut(GROUND, 3.3, -2.7)
    there[:, : SIDE // 2] = ground(5)[:SIDE, : SIDE // 2]
    found = find_peak(correlate(HERE, there), 14)
    assert (found.dx, found.dy) == pytest.approx((3.3, -2.7), abs=0.15)


def test_different_ground_has_no_high_peak() -> None:
    heights = [
        find_peak(correlate(HERE, cut(ground(seed), 0, 0)), 14).height for seed in range(1, 60)
    ]
    assert np.mean(np.array(heights) > 4.2) < 0.05


def test_only_shifts_within_reach_are_searched() -> None:
    spectrum = correlate(HERE, cut(GROUND, 9, 0))
    assert find_peak(spectrum, 14).dx == pytest.approx(9, abs=0.1)
    assert abs(find_peak(spectrum, 14, within=4).dx) <= 5
    assert find_peak(spectrum, 14, within=4).height < 4.2


def test_invalid_pixels_do_not_affect_the_shift() -> None:
    there = cut(GROUND, 3.3, -2.7)
    valid = np.ones((SIDE, SIDE), np.uint8)
    valid[:, :50] = 0
    here = HERE * valid
    there = there * valid  # the edges coincide: they must not favour a zero shift
    found = find_peak(correlate(here, there, valid, valid), 14)
    assert (found.dx, found.dy) == pytest.approx((3.3, -2.7), abs=0.15)
    x, y = weighted_centre(valid)
    assert x > 75
    assert y == pytest.approx(SIDE / 2)


def test_flat_ground_has_no_texture() -> None:
    valid = np.ones((SIDE, SIDE), bool)
    noise = np.random.default_rng(0).integers(100, 104, (SIDE, SIDE)).astype(np.uint8)
    assert texture(noise, valid) < 1
    assert texture(HERE, valid) > 10
    valid[:, 60:] = False
    assert texture(noise * valid, valid) < 1  # the edge of nodata does not count
