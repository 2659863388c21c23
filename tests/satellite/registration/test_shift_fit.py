from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from satellite.registration.shift import Array
from satellite.registration.shift_fit import fit_field, median_test

SIZE = (1000, 800)
WINDOW = Window(60, 60, 880, 680)


def places(spacing: float = 50.0) -> Array:
    x, y = np.meshgrid(np.arange(25, SIZE[0], spacing), np.arange(25, SIZE[1], spacing))
    return np.column_stack([x.ravel(), y.ravel()])


def affine_shift(points: Array) -> Array:
    x, y = points.T / 1000
    return np.column_stack([3.3 + 0.8 * x - 0.4 * y, -2.7 + 0.5 * y])


def wavy_shift(points: Array) -> Array:
    x, y = points.T
    wave = np.column_stack([np.sin(y / 60) * np.cos(x / 80), np.cos(x / 65)])
    return np.asarray(affine_shift(points) + wave)


def pixels(window: Window) -> Array:
    x, y = np.meshgrid(
        np.arange(window.width) + window.col_off + 0.5,
        np.arange(window.height) + window.row_off + 0.5,
    )
    return np.column_stack([x.ravel(), y.ravel()])


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), wrong=st.floats(0, 0.3))
def test_an_affine_map_is_fitted_despite_outliers(seed: int, wrong: float) -> None:
    rng = np.random.default_rng(seed)
    points = places()
    shifts = affine_shift(points) + rng.normal(0, 0.05, (len(points), 2))
    bad = rng.random(len(points)) < wrong
    shifts[bad] += rng.uniform(-10, 10, (int(bad.sum()), 2))
    field, trusted = fit_field(points, shifts, SIZE, 50.0)
    misses = np.hypot(*(field.at_points(points) - affine_shift(points)).T)
    assert np.median(misses) < 0.1
    assert np.quantile(misses, 0.95) < 0.4
    assert field.chips == trusted.sum()


def test_a_local_warp_is_followed_but_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    points = places()
    field, _ = fit_field(points, wavy_shift(points) + rng.normal(0, 0.1, points.shape), SIZE, 50.0)
    at = pixels(WINDOW)[::97]
    assert np.sqrt(np.mean((field.at_points(at) - wavy_shift(at)) ** 2)) < 0.15
    noise, _ = fit_field(points, rng.normal(0, 0.3, points.shape), SIZE, 50.0)
    assert np.abs(noise.at(WINDOW)).max() < 0.25


def test_the_residual_is_the_error_of_held_out_points() -> None:
    rng = np.random.default_rng(0)
    points = places()
    shifts = affine_shift(points) + rng.normal(0, 0.3, points.shape)
    field, _ = fit_field(points, shifts, SIZE, 50.0)
    assert field.residual_px == pytest.approx(0.3 * np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_few_points_give_a_smooth_field(count: int) -> None:
    points = places()[:: len(places()) // count][:count]
    field, _ = fit_field(points, np.full((count, 2), 2.0), SIZE, 50.0)
    assert np.allclose(field.at(Window(0, 0, *SIZE)), 2.0, atol=0.05)


def test_a_gap_is_bridged_without_overshoot() -> None:
    points = places()
    hole = (np.abs(points - (500, 400)) < 250).all(axis=1)
    field, _ = fit_field(points[~hole], wavy_shift(points[~hole]), SIZE, 50.0)
    inside = np.hypot(*(field.at_points(points[hole]) - affine_shift(points[hole])).T)
    assert inside.max() < 2.5  # the warp itself has an amplitude of 1 along each axis


def test_the_median_test_finds_outliers() -> None:
    points = places()
    shifts = wavy_shift(points)
    shifts[150] += (6, 0)
    shifts[151] += (0, -5)
    like = median_test(points, shifts)
    assert not like[[150, 151]].any()
    assert like.mean() > 0.95
