from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.imagery.tiles import Sample, degraded, inserted, load, relit
from satellite.detection.screen import Screen
from satellite.imagery.views import Picture, Quality, Views


def ground(side: int, seed: int = 0, grain: int = 8) -> Picture:
    """Earth and grass: soft spots of some metres with a contrast of a few grey levels."""
    rng = np.random.default_rng(seed)
    spots = rng.normal(120, 12, (side // grain + 2, side // grain + 2)).astype(np.float32)
    soft = cv2.resize(spots, None, fx=grain, fy=grain, interpolation=cv2.INTER_CUBIC)
    grey = soft[:side, :side, None] + rng.normal(0, 2, (side, side, 3))
    return np.asarray(np.clip(grey, 0, 255), np.uint8)


def with_house(picture: Picture, rows: slice, cols: slice) -> Picture:
    built = picture.copy()
    built[rows, cols] = (205, 200, 190)
    return built


def views(before: Picture, after: Picture, resolution_m: float, clear: bool = True) -> Views:
    quality = np.full(before.shape[:2], Quality.CLEAR if clear else Quality.CLOUD, np.uint8)
    return Views(before, after, quality, resolution_m)


@pytest.mark.parametrize("resolution_m", [0.5, 0.8, 1.1, 2.1, 5.0])
@pytest.mark.parametrize("gone", [False, True])
def test_a_house_that_appears_or_goes_is_kept(resolution_m: float, gone: bool) -> None:
    side = max(2, round(12 / resolution_m))
    bare = ground(256)
    place = slice(101, 101 + side), slice(67, 67 + side)
    built = with_house(bare, *place)
    before, after = (built, bare) if gone else (bare, built)
    wanted = Screen()(views(before, after, resolution_m))
    assert wanted[place].all()
    assert wanted.mean() < max(0.1, 40 * side**2 / wanted.size)


@settings(max_examples=30)
@given(
    gain=st.floats(0.6, 1.5),
    bias=st.floats(-30, 30),
    x=st.floats(-1, 1),
    y=st.floats(-1, 1),
    resolution_m=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_other_light_and_a_small_shift_are_no_change(
    gain: float, bias: float, x: float, y: float, resolution_m: float
) -> None:
    street = with_house(with_house(ground(192), slice(40, 90), slice(20, 60)), slice(8), slice(192))
    moved = cv2.warpAffine(
        street, np.array([[1, 0, x], [0, 1, y]]), (192, 192), borderMode=cv2.BORDER_REFLECT_101
    )
    light = np.clip(moved * gain + bias, 0, 255).astype(np.uint8)
    assert Screen()(views(street, light, resolution_m)).mean() < 0.1


@pytest.mark.parametrize("metres", [40, 60, 80])
def test_the_whole_of_a_bare_hall_is_kept(metres: int) -> None:
    bare = ground(512)
    place = slice(150, 150 + 2 * metres), slice(200, 200 + 2 * metres)
    assert Screen()(views(bare, with_house(bare, *place), 0.5))[place].mean() > 0.98


def test_less_contrast_finds_what_is_hard_to_see() -> None:
    bare = ground(256)
    faint = bare.copy()
    faint[100:124, 100:124] += 14
    assert not Screen()(views(bare, faint, 0.5)).any()
    assert Screen(contrast=6)(views(bare, faint, 0.5))[100:124, 100:124].all()


def test_what_cannot_be_compared_is_not_wanted_and_disturbs_nothing() -> None:
    bare = ground(256)
    clouded = bare.copy()
    clouded[64:192, 64:192] = 250
    quality = np.zeros((256, 256), np.uint8)
    assert Screen()(Views(bare, clouded, quality, 0.5)).any()
    quality[60:196, 60:196] = Quality.CLOUD
    assert not Screen()(Views(bare, clouded, quality, 0.5)).any()
    built = with_house(clouded, slice(10, 34), slice(100, 124))
    wanted = Screen()(Views(bare, built, quality, 0.5))
    assert wanted[10:34, 100:124].all()
    assert not wanted[quality > 0].any()


def test_nothing_is_wanted_where_all_is_cloud() -> None:
    assert not Screen()(views(ground(64), ground(64, seed=1), 0.5, clear=False)).any()


@settings(max_examples=20)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    bands=st.sampled_from([1, 3, 4]),
    resolution_m=st.sampled_from([0.3, 0.5, 2.0, 10.0]),
)
def test_any_shape_is_screened(height: int, width: int, bands: int, resolution_m: float) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (height, width, bands), np.uint8)
    wanted = Screen()(views(picture, picture[::-1].copy(), resolution_m))
    assert wanted.shape == (height, width)
    assert wanted.dtype == np.bool_
    assert not Screen()(views(picture, picture, resolution_m)).any()


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> list[Sample]:
    return load(shared_data / "satellite" / "levir")


@pytest.mark.parametrize("factor", [1, 4])
def test_real_buildings_are_kept(samples: list[Sample], factor: int) -> None:
    kept = labelled = 0
    for sample in samples:
        coarse = degraded(sample, factor)
        wanted = fine(Screen()(coarse.views(0.5 * factor)), factor)
        kept += int(np.count_nonzero(wanted & sample.truth))
        labelled += int(np.count_nonzero(sample.truth))
    assert kept >= 0.99 * labelled


@pytest.mark.parametrize("factor", [1, 4])
def test_real_ground_in_another_light_is_discarded(samples: list[Sample], factor: int) -> None:
    shares = []
    for number, sample in enumerate(samples):
        coarse = degraded(sample, factor)
        for ground in (coarse.before, coarse.after):
            after = relit(ground, np.random.default_rng(number))
            shares.append(Screen()(views(ground, after, 0.5 * factor)).mean())
    assert np.mean(shares) <= 0.1


def test_a_single_house_in_ground_that_stays_is_kept(samples: list[Sample]) -> None:
    kept = [Screen()(pair.views())[pair.truth].mean() > 0.5 for pair in inserted(samples, 60, 0)]
    assert np.mean(kept) >= 0.95


def fine(wanted: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    return np.kron(wanted, np.ones((factor, factor), np.bool_))
