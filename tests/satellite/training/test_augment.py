from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from satellite.training.augment import cropped, relit, shifted, swapped, turned, unchanged
from satellite.training.samples import Sample
from tests.satellite.training.places import ROOF, place

seeds = st.integers(0, 2**32 - 1)


def _roofs(sample: Sample) -> np.ndarray:
    return np.asarray((sample.after == ROOF).all(axis=-1), np.uint8)


@given(seed=seeds)
def test_labels_rotate_with_their_pictures(seed: int) -> None:
    sample = turned(place(houses=3), np.random.default_rng(seed))
    assert np.array_equal(_roofs(sample), sample.appeared)
    assert sample.appeared.sum() == place(houses=3).appeared.sum()
    assert sample.after.flags.c_contiguous


def test_all_eight_orientations_occur() -> None:
    rng = np.random.default_rng(0)
    assert len({turned(place(), rng).after.tobytes() for _ in range(100)}) == 8


@given(seed=seeds, zoom=st.floats(0.8, 1.4), side_m=st.floats(10, 80))
def test_crops_keep_label_and_picture_together(seed: int, zoom: float, side_m: float) -> None:
    whole = place()  # 48 m
    crop = cropped(whole, side_m, zoom, np.random.default_rng(seed))
    side = round(side_m / crop.pixel_m)
    assert crop.pixel_m == 0.5 * zoom
    assert crop.before.shape == (side, side, 3)
    assert np.array_equal(_roofs(crop), crop.appeared)
    assert crop.known.sum() == min(side, 96) ** 2  # unknown beyond the sample


def test_a_crop_does_not_write_into_its_sample() -> None:
    whole = place()
    cropped(whole, 100.0, 1.0, np.random.default_rng(0))
    assert whole.known.all()


def test_a_shift_moves_the_earlier_date_only() -> None:
    sample = swapped(place())  # demolished houses are in the earlier picture
    moved = shifted(sample, 3.0, np.random.default_rng(3))
    assert np.array_equal(moved.after, sample.after)
    assert not np.array_equal(moved.before, sample.before)
    ys, xs = np.nonzero(moved.gone)
    ys0, xs0 = np.nonzero(sample.gone)
    shift = np.hypot(ys.mean() - ys0.mean(), xs.mean() - xs0.mean())
    assert 0.5 < shift <= np.hypot(6, 6) + 0.5
    red = moved.before[..., 0].astype(int) > 150
    assert (red & (moved.gone > 0)).sum() > 0.8 * moved.gone.sum()


def test_relighting_changes_radiometry_but_not_content() -> None:
    sample = unchanged(place(), np.random.default_rng(0))
    rng = np.random.default_rng(0)
    for lit in [relit(sample, rng) for _ in range(20)]:
        means = lit.before.mean(axis=(0, 1)), lit.after.mean(axis=(0, 1))
        assert np.abs(means[0] - means[1]).max() > 1
        first, second = (p[..., 1].ravel().astype(float) for p in (lit.before, lit.after))
        assert np.corrcoef(first, second)[0, 1] > 0.9


def test_swapping_twice_changes_nothing() -> None:
    sample = replace(place(), gone=place(seed=1).appeared)
    once = swapped(sample)
    assert np.array_equal(once.before, sample.after)
    assert np.array_equal(once.appeared, sample.gone)
    assert np.array_equal(once.gone, sample.appeared)
    twice = swapped(once)
    assert np.array_equal(twice.before, sample.before)
    assert np.array_equal(twice.appeared, sample.appeared)


@given(seed=seeds)
def test_one_date_twice_is_unchanged(seed: int) -> None:
    sample = unchanged(place(), np.random.default_rng(seed))
    assert np.array_equal(sample.before, sample.after)
    assert not sample.appeared.any()
    assert not sample.gone.any()
