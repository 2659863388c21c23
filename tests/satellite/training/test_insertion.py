from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.training.augment import swapped
from satellite.training.insertion import cutouts, inserted
from satellite.training.samples import Sample
from tests.satellite.training.places import place

LAND = place(side=160, seed=9, name="land", houses=0)


def _red(picture: np.ndarray) -> np.ndarray:
    return np.asarray(picture[..., 0].astype(int) - picture[..., 1] > 60)


def test_whole_buildings_of_moderate_size_are_cut_out() -> None:
    sample = place(houses=3)
    assert len(cutouts([sample])) == 3
    assert len(cutouts([swapped(sample)])) == 3  # the demolished ones, too
    assert cutouts([replace(sample, pixel_m=0.2)]) == []  # 8 square metres
    edge = replace(sample, appeared=np.zeros_like(sample.appeared))
    edge.appeared[40:60, :20] = 1
    assert cutouts([edge]) == []
    for cut in cutouts([sample]):
        assert cut.mask.sum() == 16 * 12
        assert _red(cut.picture)[cut.mask > 0].all()


@given(seed=st.integers(0, 2**32 - 1))
def test_exactly_the_inserted_buildings_are_labelled(seed: int) -> None:
    sample = inserted(LAND, cutouts([place()]), 6.0, np.random.default_rng(seed))
    before, after = _red(sample.before), _red(sample.after)
    inside = sample.appeared > 0
    if inside.any():  # the soft edge is not red
        assert (after & inside).sum() > 0.8 * inside.sum()
        assert (before & inside).sum() < 0.1 * inside.sum()
    assert (before & ~after & (sample.gone == 0)).sum() < 0.02 * before.size
    assert (after & ~before & (sample.appeared == 0)).sum() < 0.02 * before.size


def test_buildings_appear_disappear_and_stay() -> None:
    rng = np.random.default_rng(0)
    buildings = cutouts([place()])
    found = [inserted(LAND, buildings, 1.0, rng) for _ in range(60)]
    assert any(sample.appeared.any() for sample in found)
    assert any(sample.gone.any() for sample in found)
    assert any(
        _red(s.before).any() and _red(s.after).any() and not (s.appeared.any() or s.gone.any())
        for s in found
    )


def test_inserted_sizes_are_in_metres() -> None:
    coarse = replace(LAND, pixel_m=1.0)
    areas = []
    for sample in (LAND, coarse):
        rng = np.random.default_rng(5)
        found = [inserted(sample, cutouts([place()]), 1.0, rng) for _ in range(80)]
        one = [s.appeared.sum() * s.pixel_m**2 for s in found if s.appeared.any()]
        areas.append(np.median(one))
    assert areas[0] == pytest.approx(48, rel=0.5)  # 16 x 12 pixels of 0.5 m
    assert areas[1] == pytest.approx(areas[0], rel=0.3)


def test_labelled_changes_are_not_painted_over() -> None:
    full = replace(LAND, appeared=np.ones_like(LAND.appeared))
    found = inserted(full, cutouts([place()]), 9.0, np.random.default_rng(0))
    assert np.array_equal(found.after, full.after)
    assert np.array_equal(found.appeared, full.appeared)


def test_on_unlabelled_land_only_insertions_are_known() -> None:
    nowhere = replace(LAND, known=np.zeros_like(LAND.known))
    found = inserted(nowhere, cutouts([place()]), 9.0, np.random.default_rng(0))
    known = found.known > 0
    assert found.appeared.any()
    assert known[(found.appeared | found.gone) > 0].all()
    assert not known[
        (found.before == LAND.before).all(2) & (found.after == LAND.after).all(2)
    ].any()
    assert known.mean() < 0.2


def test_without_buildings_or_room_the_sample_is_unchanged() -> None:
    rng = np.random.default_rng(0)
    assert inserted(LAND, [], 9.0, rng) is LAND
    tiny: Sample = place(side=40, houses=0)
    tiny = replace(
        tiny,
        **{n: getattr(tiny, n)[:8, :8] for n in ("before", "after", "appeared", "gone", "known")},
    )
    found = inserted(tiny, cutouts([place()]), 9.0, rng)
    assert np.array_equal(found.after, tiny.after)


def test_the_samples_arrays_are_not_modified() -> None:
    kept = LAND.after.copy()
    inserted(LAND, cutouts([place()]), 9.0, np.random.default_rng(0))
    assert np.array_equal(LAND.after, kept)
    assert not LAND.appeared.any()
