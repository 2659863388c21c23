from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.imagery.plain import plain_change
from benchmarks.imagery.tiles import Sample, degraded, load
from satellite.detection.classical import MEASURED_F1, ClassicalDetector
from satellite.imagery.views import Change, Detector, Picture, Quality, Views
from tests.satellite.village import GRASS, Village, views, within

HOUSE = (60.0, 75.0, 74.0, 87.0)  # metres
RESOLUTIONS = [0.5, 1.0, 2.0]

detector: Detector = ClassicalDetector()


def village() -> Village:
    place = Village().cover((0, 0, 128, 40), GRASS).pave((0, 56, 128, 63))
    for x, y in ((15, 20), (40, 12), (90, 25), (110, 90), (20, 100), (60, 110)):
        place.tree(x, y)
    return place


def built() -> Village:
    return village().house(60, 75)


@pytest.fixture(scope="module")
def tiles(shared_data: Path) -> list[Sample]:
    return load(shared_data / "satellite/levir")


def f1(marked: Sequence[NDArray[np.bool_]], tiles: Sequence[Sample]) -> float:
    """F1 of the pixels of all tiles together; ``marked`` may be coarser than the truth."""
    hits = both = 0
    for mask, tile in zip(marked, tiles, strict=True):
        size = tile.truth.shape[::-1]
        fine = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        hits += int((fine & tile.truth).sum())
        both += int(fine.sum()) + int(tile.truth.sum())
    return 2 * hits / both


def changed(change: Change) -> NDArray[np.bool_]:
    return np.asarray(np.maximum(change.appeared, change.gone) >= 0.5, np.bool_)


def judged(
    tiles: Sequence[Sample],
    resolution_m: float = 0.5,
    before: Callable[[Picture], Picture] = np.asarray,
) -> float:
    found = []
    for tile in tiles:
        coarse = degraded(tile, round(resolution_m / 0.5))
        found.append(changed(detector(views(before(coarse.before), coarse.after, resolution_m))))
    return f1(found, tiles)


@pytest.fixture(scope="module")
def undisturbed(tiles: list[Sample]) -> float:
    return judged(tiles)


def test_f1_on_real_tiles_is_far_above_change_vectors(
    tiles: list[Sample], undisturbed: float
) -> None:
    plain = f1([plain_change(tile.views()) for tile in tiles], tiles)
    assert undisturbed > max(plain + 0.35, MEASURED_F1)


@pytest.mark.parametrize(("resolution_m", "least"), [(1.0, 0.66), (2.0, 0.6)])
def test_coarser_images_are_judged(tiles: list[Sample], resolution_m: float, least: float) -> None:
    assert judged(tiles, resolution_m) > least


def shifted(picture: Picture) -> Picture:
    move = np.array([[1, 0, 1.5], [0, 1, -1.2]], np.float32)
    size = picture.shape[1::-1]
    return np.asarray(cv2.warpAffine(picture, move, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


def relit(picture: Picture) -> Picture:
    return np.asarray(np.clip(picture * np.array([0.8, 0.9, 1.0]) - 8, 0, 255), np.uint8)


@pytest.mark.parametrize("disturbed", [shifted, relit])
def test_f1_is_robust_to_small_shifts_and_light(
    tiles: list[Sample], undisturbed: float, disturbed: Callable[[Picture], Picture]
) -> None:
    assert judged(tiles, before=disturbed) > undisturbed - 0.03


@pytest.mark.parametrize("resolution_m", RESOLUTIONS)
def test_only_a_new_house_is_found(resolution_m: float) -> None:
    before, after = village().seen(resolution_m, 0), built().seen(resolution_m, 1)
    change = detector(views(before, after, resolution_m))
    house = within(HOUSE, before, resolution_m)
    assert change.appeared[house].mean() > 0.7
    assert (change.appeared >= 0.5).sum() * resolution_m**2 == pytest.approx(14 * 12, rel=0.25)
    assert change.gone.max() < 0.5


@pytest.mark.parametrize("resolution_m", RESOLUTIONS)
def test_a_demolished_house_is_found_as_gone(resolution_m: float) -> None:
    before, after = built().seen(resolution_m, 0), village().seen(resolution_m, 1)
    change = detector(views(before, after, resolution_m))
    assert change.gone[within(HOUSE, before, resolution_m)].mean() > 0.6
    assert change.appeared.max() < 0.5


@pytest.mark.parametrize(
    ("name", "lit", "shaded"),
    [
        ("blue steel", (80, 120, 190), (60, 95, 150)),
        ("white", (225, 226, 228), (200, 201, 204)),
        ("red tile", (170, 92, 72), (130, 70, 55)),
        ("black", (50, 50, 52), (42, 42, 44)),
    ],
)
def test_roofs_of_many_colours_are_found(
    name: str, lit: tuple[float, float, float], shaded: tuple[float, float, float]
) -> None:
    before, after = village().seen(), village().house(60, 75, roof=(lit, shaded)).seen(seed=1)
    assert detector(views(before, after)).appeared[within(HOUSE, before)].mean() > 0.6, name


@pytest.mark.parametrize("side_m", [8, 14, 30, 50])
@pytest.mark.parametrize("resolution_m", [0.5, 2.0])
def test_sizes_are_in_metres(side_m: float, resolution_m: float) -> None:
    before = village().seen(resolution_m)
    after = village().house(60, 72, side_m, side_m * 0.8).seen(resolution_m, 1)
    place = within((60, 72, 60 + side_m, 72 + 0.8 * side_m), before, resolution_m)
    change = detector(views(before, after, resolution_m))
    assert change.appeared[place].mean() > 0.5


@settings(max_examples=10)
@given(gain=st.floats(0.7, 1.2), bias=st.floats(-8, 8), x_m=st.floats(-1, 1), y_m=st.floats(-1, 1))
def test_an_unchanged_house_is_not_found(gain: float, bias: float, x_m: float, y_m: float) -> None:
    before = built().seen()
    move = np.array([[1, 0, x_m / 0.5], [0, 1, y_m / 0.5]], np.float32)
    moved = cv2.warpAffine(built().seen(seed=1), move, (256, 256), borderMode=cv2.BORDER_REFLECT)
    after = np.asarray(np.clip(np.asarray(moved) * gain + bias, 0, 255), np.uint8)
    assert not changed(detector(views(before, after))).any()


def test_growing_plants_are_not_found() -> None:
    before = village().seen()
    after = village().cover((30, 66, 128, 128), GRASS).tree(80, 90, 6).tree(50, 80, 4).seen(seed=1)
    change = detector(views(before, after))
    assert np.maximum(change.appeared, change.gone).max() < 0.5


def test_near_infrared_excludes_plants_of_a_roofs_colour() -> None:
    before, after = village().seen(), built().seen(seed=1)
    house = within(HOUSE, before)
    dull = np.full(before.shape[:2], 110, np.uint8)
    lush = np.where(house, 250, dull).astype(np.uint8)
    roof = detector(views(np.dstack([before, dull]), np.dstack([after, dull])))
    plants = detector(views(np.dstack([before, dull]), np.dstack([after, lush])))
    assert roof.appeared[house].mean() > 0.6
    assert plants.appeared[house].max() < 0.3


def test_masked_pixels_have_probability_0() -> None:
    before, after = village().seen(), built().seen(seed=1)
    quality = np.zeros(before.shape[:2], np.uint8)
    quality[:, 130:] = Quality.CLOUD
    change = detector(Views(before, after, quality, 0.5))
    assert not change.appeared[:, 130:].any()
    assert change.appeared[:, :130].max() > 0.5
    quality[:] = Quality.NODATA
    change = detector(Views(before, after, quality, 0.5))
    assert not change.appeared.any()
    assert not change.gone.any()


@settings(max_examples=30)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    bands=st.sampled_from([3, 4]),
    resolution_m=st.sampled_from([0.2, 0.5, 2.0, 10.0]),
    level=st.integers(0, 255),
    noise=st.integers(0, 80),
)
def test_windows_of_any_content_are_judged(
    height: int, width: int, bands: int, resolution_m: float, level: int, noise: int
) -> None:
    rng = np.random.default_rng(0)
    values = level + rng.normal(0, noise, (2, height, width, bands))
    before, after = np.clip(values, 0, 255).astype(np.uint8)
    change = detector(views(before, after, resolution_m))
    for probability in (change.appeared, change.gone):
        assert probability.shape == (height, width)
        assert probability.dtype == np.float32
        assert ((probability >= 0) & (probability <= 1)).all()


def test_a_car_park_is_found_as_a_building() -> None:
    """A known limit: a car park is as grey and rectangular as a hall, and lacks only a shadow."""
    after = village().pave((50, 66, 110, 110)).seen(seed=1)
    assert (detector(views(village().seen(), after)).appeared >= 0.5).mean() > 0.1
