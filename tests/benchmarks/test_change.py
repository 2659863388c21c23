from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from benchmarks.imagery.figures import (
    across_borders,
    on_city,
    on_mosaics,
    on_swapped_dates,
    on_tiles,
    plain_figures,
    screen_figures,
)
from benchmarks.imagery.scenes import (
    clouds,
    displaced,
    misregistration,
    sensed,
    write_scenes,
)
from benchmarks.imagery.score import (
    Objects,
    Pixels,
    calibration_error,
    score_objects,
    score_pixels,
)
from benchmarks.imagery.steps import ALL, Steps, judge
from benchmarks.imagery.tiles import (
    SAME_LIGHT,
    Sample,
    city,
    cut,
    degraded,
    inserted,
    load,
    mosaic,
    tiled,
    unchanged,
)
from satellite.errors import SatelliteError
from satellite.imagery.views import Change, Quality, Views


def mask(
    *boxes: tuple[slice, slice], side: int = 64
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    found = np.zeros((side, side), np.bool_)
    for box in boxes:
        found[box] = True
    return found


HOUSE = (slice(8, 18), slice(8, 18))  # 100 pixels
OTHER = (slice(40, 50), slice(40, 50))
SHED = (slice(30, 36), slice(2, 8))  # 36 pixels: too small for an object
HALF = (slice(8, 18), slice(8, 13))
LESS = (slice(8, 18), slice(8, 12))


@dataclass
class Truthful:
    """Marks pixels that got brighter by more than ``step`` grey levels."""

    step: int = 40
    name: str = "truthful"
    margin_px: int = 16

    def __call__(self, views: Views) -> Change:
        before, after = (p.astype(np.float32).mean(2) for p in (views.before, views.after))
        clear = views.quality == Quality.CLEAR
        appeared = ((after - before > self.step) & clear).astype(np.float32)
        return Change(appeared, np.zeros_like(appeared))


@dataclass
class Named:
    """A detector that is a function."""

    judge: Callable[[Views], Change]
    name: str = "named"
    margin_px: int = 16

    def __call__(self, views: Views) -> Change:
        return self.judge(views)


def sample(truth: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], seed: int = 0) -> Sample:
    """Ground with soft spots, and white roofs on the labelled pixels."""
    rng = np.random.default_rng(seed)
    spots = np.kron(
        rng.integers(60, 120, (truth.shape[0] // 4, truth.shape[1] // 4)), np.ones((4, 4))
    )
    before = np.repeat(spots[..., None], 3, axis=2).astype(np.uint8)
    after = before.copy()
    after[truth] = 240
    return Sample("made", before, after, truth)


@pytest.mark.parametrize(
    ("marked", "truth", "precision", "recall", "f1", "iou"),
    [
        pytest.param(mask(HOUSE), mask(HOUSE), 1, 1, 1, 1, id="same"),
        pytest.param(mask(HALF), mask(HOUSE), 1, 0.5, 2 / 3, 0.5, id="half"),
        pytest.param(mask(HOUSE, OTHER), mask(HOUSE), 0.5, 1, 2 / 3, 0.5, id="one-too-many"),
        pytest.param(mask(), mask(HOUSE), 0, 0, 0, 0, id="nothing-marked"),
        pytest.param(mask(HOUSE), mask(), 0, 0, 0, 0, id="nothing-there"),
    ],
)
def test_pixels_are_scored(
    marked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    truth: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    precision: float,
    recall: float,
    f1: float,
    iou: float,
) -> None:
    score = score_pixels(marked, truth)
    assert (score.precision, score.recall) == (precision, recall)
    assert (score.f1, score.iou) == pytest.approx((f1, iou))


def test_pixels_that_are_not_judged_do_not_count() -> None:
    judged = ~mask(OTHER)
    assert score_pixels(mask(HOUSE, OTHER), mask(HOUSE), judged) == Pixels(100, 0, 0)
    assert score_pixels(mask(HOUSE), mask(HOUSE, OTHER), judged) == Pixels(100, 0, 0)


@pytest.mark.parametrize(
    ("marked", "truth", "expected"),
    [
        pytest.param(mask(HOUSE), mask(HOUSE), (1, 1, 1, 0), id="found"),
        pytest.param(mask(HALF), mask(HOUSE), (1, 1, 1, 0), id="half-of-it-will-do"),
        pytest.param(mask(LESS), mask(HOUSE), (1, 0, 0, 0), id="less-will-not"),
        pytest.param(mask(HOUSE, OTHER), mask(HOUSE), (1, 1, 2, 1), id="one-is-false"),
        pytest.param(mask(SHED), mask(SHED), (0, 0, 0, 0), id="too-small"),
        pytest.param(mask(), mask(HOUSE, OTHER), (2, 0, 0, 0), id="both-missed"),
    ],
)
def test_objects_are_scored(
    marked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    truth: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    expected: tuple[int, int, int, int],
) -> None:
    score = score_objects(marked, truth, 0.5)
    assert (score.labelled, score.found, score.marked, score.false) == expected
    assert score.area_km2 == pytest.approx(64 * 64 * 0.25e-6)


def test_scores_add_up() -> None:
    assert Pixels(1, 2, 3) + Pixels(4, 5, 6) == Pixels(5, 7, 9)
    both = Objects(2, 1, 3, 1, 0.5) + Objects(2, 2, 2, 0, 0.5)
    assert (both.recall, both.false_per_km2) == (0.75, 1.0)


@given(share=st.floats(0, 1), said=st.floats(0, 1))
def test_calibration_error_is_the_distance_of_probability_from_frequency(
    share: float, said: float
) -> None:
    truth = np.arange(1000) < round(1000 * share)
    error = calibration_error(np.full(1000, said, np.float32), truth)
    assert error == pytest.approx(abs(said - truth.mean()), abs=1e-6)


@settings(max_examples=20)
@given(side=st.integers(20, 200), margin=st.integers(0, 40))
def test_tiles_make_no_difference_to_a_detector_of_single_pixels(side: int, margin: int) -> None:
    scene = mosaic([sample(mask(HOUSE)), sample(mask(OTHER))] * 2, 2)
    detector = Truthful(margin_px=margin)
    whole = detector(scene.views())
    assert np.array_equal(tiled(detector, scene.views(), side).appeared, whole.appeared)


def test_there_is_no_data_outside_the_border() -> None:
    views = sample(mask(HOUSE)).views()
    part = cut(views, Window(-3, 60, 10, 10))
    assert part.before.shape == (10, 10, 3)
    assert (part.quality[:4, 3:] == Quality.CLEAR).all()
    assert (part.quality[4:] == Quality.NODATA).all()
    assert (part.quality[:, :3] == Quality.NODATA).all()
    assert np.array_equal(part.after[:4, 3:], views.after[60:, :7])


def test_a_perfect_detector_scores_1_on_tiles_and_across_their_borders() -> None:
    samples = [sample(mask(HOUSE, OTHER), seed) for seed in range(3)]
    figures = on_tiles(Truthful(), samples)
    assert figures.pixels == Pixels(600, 0, 0)
    assert (figures.objects.found, figures.ece) == (6, 0)
    assert across_borders(Truthful(), samples).f1 == 1


def test_mosaics_are_made_of_the_samples_that_fill_a_square() -> None:
    samples = [sample(mask(HOUSE, OTHER), seed) for seed in range(5)]
    assert on_mosaics(Truthful(), samples) == Pixels(8 * 4 * 200, 0, 0)


def test_with_swapped_dates_only_demolitions_count() -> None:
    made = sample(mask(HOUSE, OTHER))

    def gone(views: Views) -> Change:
        back = Views(views.after, views.before, views.quality, views.resolution_m)
        said = Truthful()(back)
        return Change(said.gone, said.appeared)

    assert on_swapped_dates(Named(gone), [made]).f1 == 1.0
    assert on_swapped_dates(Truthful(), [made]).recall == 0.0


def test_a_city_is_mostly_unchanged() -> None:
    samples = [sample(mask(HOUSE)), sample(mask())]
    scene = city(samples, 0.05, 1)
    blocks = scene.truth.reshape(scene.truth.shape[0] // 64, 64, -1, 64).any((1, 3))
    assert blocks.sum() == 1
    assert blocks.mean() <= 0.05


def test_an_unchanged_pair_shows_the_same_ground_in_another_light() -> None:
    pair = unchanged(sample(mask(HOUSE)), 3, 0)
    assert not pair.truth.any()
    assert not np.array_equal(pair.before, pair.after)
    ground = [picture[8:-8, 8:-8].mean(2).ravel() for picture in (pair.before, pair.after)]
    assert np.corrcoef(*ground)[0, 1] > 0.8


def test_only_an_inserted_house_and_light_differ(shared_data: Path) -> None:
    tiles = load(shared_data / "satellite" / "levir")
    pairs = list(inserted(tiles, 6, 0))
    assert len(pairs) == 6
    for pair in pairs:
        assert 60 <= pair.truth.sum() <= 1200


def test_degrading_keeps_the_mean_and_the_truth() -> None:
    fine = sample(mask(HOUSE))
    coarse = degraded(fine, 4)
    assert coarse.before.shape == (16, 16, 3)
    assert coarse.before.mean() == pytest.approx(fine.before.mean(), abs=0.5)
    assert np.array_equal(coarse.truth, fine.truth)


def test_misregistration_is_the_displacement() -> None:
    rng = np.random.default_rng(0)
    noise = np.asarray(cv2.GaussianBlur(rng.integers(0, 255, (384, 384), np.uint8), (0, 0), 1.5))
    ground = np.repeat(noise[..., None], 3, axis=2).astype(np.uint8)
    everywhere = np.ones((384, 384), np.bool_)
    assert misregistration(ground, ground, everywhere).max() < 0.05
    off = misregistration(np.roll(ground, (2, -3), (0, 1)), ground, everywhere)
    assert off == pytest.approx(np.hypot(2, 3), abs=0.05)
    moved = misregistration(displaced(ground), ground, everywhere)
    assert np.median(moved) == pytest.approx(np.hypot(3.3, 2.7), abs=1.5)
    assert len(misregistration(ground, ground, ~everywhere)) == 0


def test_clouds_cover_their_share_and_hide_the_ground(tmp_path: Path) -> None:
    opacity = clouds((512, 512), 3)
    assert 0.02 < (opacity > 0.1).mean() < 0.1
    scene = mosaic([sample(mask(HOUSE, side=256), seed) for seed in range(4)], 2)
    scenes = write_scenes(scene, tmp_path, seed=3)
    assert 0.02 < scenes.covered.mean() < 0.25
    with rasterio.open(scenes.after) as file:
        assert (file.crs.to_epsg(), file.res) == (32650, (0.5, 0.5))
        after = np.moveaxis(file.read(), 0, 2)
    with rasterio.open(scenes.before) as file:
        assert np.array_equal(np.moveaxis(file.read(), 0, 2), scene.before)
    lit = sensed(scene.after)
    assert not np.array_equal(after, lit)
    assert after[scenes.covered].astype(float).std() > 0


def test_leaving_out_a_step_lowers_the_figures(shared_data: Path, tmp_path: Path) -> None:
    tile = load(shared_data / "satellite" / "levir")[4]
    scenes = write_scenes(city([tile], 0.25, 1, SAME_LIGHT), tmp_path, seed=1)
    detectors = {"bright": Truthful()}
    done = judge(scenes, ALL, detectors)
    skipped = judge(scenes, Steps("none", align=False, normalise=False, masks=False), detectors)
    assert done.residual_px < 1
    assert skipped.residual_px > 3
    assert (skipped.masked, skipped.unmasked) == (0, 1)
    assert done.f1["bright"] > skipped.f1["bright"] + 0.05


def test_the_screen_and_the_plain_baseline_on_real_tiles(shared_data: Path) -> None:
    tiles = load(shared_data / "satellite" / "levir")[2:5]
    screen = screen_figures(tiles, houses=40)
    assert screen.kept >= 0.99
    assert screen.single >= 0.95
    assert screen.discarded >= 0.9
    assert 0.05 < plain_figures(tiles).pixels.f1 < 0.5


def test_the_cascade_scores_no_worse_on_a_city() -> None:
    samples = [sample(mask(HOUSE, side=256)), sample(mask(side=256))]
    result = on_city(Truthful(), samples)
    assert result.share < 0.2
    assert result.cascade.f1 >= result.alone.f1


@pytest.mark.parametrize(
    ("missing", "message"),
    [("label", "there are no labels"), ("A", "must be in A, B and label")],
)
def test_folders_without_complete_pairs_are_refused(
    shared_data: Path, tmp_path: Path, missing: str, message: str
) -> None:
    for part in {"A", "B", "label"} - {missing}:
        (tmp_path / part).mkdir()
        name = "train_386_0512_0768.png"
        source = shared_data / "satellite" / "levir" / part / name
        (tmp_path / part / name).write_bytes(source.read_bytes())
    with pytest.raises(SatelliteError, match=message):
        load(tmp_path)
