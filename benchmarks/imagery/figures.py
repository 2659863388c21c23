"""Figures of change detectors and of the screen, on labelled pairs of tiles."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.imagery.plain import plain_change
from benchmarks.imagery.scenes import write_scenes
from benchmarks.imagery.score import (
    MARKED,
    Objects,
    Pixels,
    calibration_error,
    score_objects,
    score_pixels,
)
from benchmarks.imagery.steps import ALL, VARIANTS, Outcome, judge, mean_of
from benchmarks.imagery.tiles import (
    RESOLUTION_M,
    SAME_LIGHT,
    Sample,
    city,
    degraded,
    inserted,
    mirrored,
    mosaic,
    tiled,
    unchanged,
)
from models.change import ChangeNetwork
from satellite.compare.comparison import TILE_PX
from satellite.detection.cascade import CascadeDetector, ScreenedShare
from satellite.detection.screen import Screen
from satellite.imagery.views import Change, Detector, Probability

_COARSE = 4  # 0.5 m to 2 m
# Share of a scene's tiles that has change. A quarter keeps a scene small, and leaves enough
# unchanged ground to align its two images.
_CITY_CHANGED = 0.05
_SCENE_CHANGED = 0.25
_SCENES = 8
_MOSAICS = 8  # F1 differs by a point from one to the next
_MOSAIC_CORE_PX = 512  # so that borders of tiles run through the samples
_SEED = 1
_SINGLE_HOUSES = 200
_RELIT = 8  # pictures made of each tile
_KEPT = 0.5  # least share of a house that is kept


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one detector.

    Attributes:
        pixels: Counts of pixels.
        objects: Counts of objects.
        ece: Expected calibration error; ``nan`` for a detector without probabilities.
    """

    pixels: Pixels
    objects: Objects
    ece: float


@dataclass(frozen=True, slots=True)
class CityFigures:
    """A detector alone and in a cascade with the screen, on one scene.

    Attributes:
        alone: Score of the detector alone.
        cascade: Score of the cascade.
        alone_s: CPU seconds of the detector alone.
        cascade_s: CPU seconds of the cascade, the screen included.
        mpix: Size of the scene, megapixels.
        share: Share of the pixels that the screen keeps.
    """

    alone: Pixels
    cascade: Pixels
    alone_s: float
    cascade_s: float
    mpix: float
    share: float


@dataclass(frozen=True, slots=True)
class ScreenFigures:
    """The figures of the screen.

    Attributes:
        kept: Share of the labelled pixels that the screen keeps.
        single: Share of single houses in unchanged ground that it keeps by at least half.
        discarded: Share of unchanged ground in another light that it discards.
    """

    kept: float
    single: float
    discarded: float


def either(change: Change) -> Probability:
    """The probability of any change."""
    return np.maximum(change.appeared, change.gone)


def on_tiles(detector: Detector, samples: Sequence[Sample]) -> Figures:
    """Scores a detector on each sample by itself."""
    pixels, objects = Pixels(), Objects()
    found = [either(detector(sample.views())) for sample in samples]
    for probability, sample in zip(found, samples, strict=True):
        pixels += score_pixels(probability >= MARKED, sample.truth)
        objects += score_objects(probability >= MARKED, sample.truth, RESOLUTION_M)
    truth = np.stack([sample.truth for sample in samples])
    return Figures(pixels, objects, calibration_error(np.stack(found), truth))


def plain_figures(samples: Sequence[Sample]) -> Figures:
    """Scores histogram matching, change vectors and Otsu's threshold."""
    pixels, objects = Pixels(), Objects()
    for sample in samples:
        marked = plain_change(sample.views())
        pixels += score_pixels(marked, sample.truth)
        objects += score_objects(marked, sample.truth, RESOLUTION_M)
    return Figures(pixels, objects, math.nan)


def at_2_m(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector on samples degraded to a coarser sensor, on the fine grid."""
    pixels = Pixels()
    for sample in samples:
        found = either(detector(degraded(sample, _COARSE).views(_COARSE * RESOLUTION_M)))
        size = (sample.truth.shape[1], sample.truth.shape[0])
        fine = np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_LINEAR), np.float32)
        pixels += score_pixels(fine >= MARKED, sample.truth)
    return pixels


def on_swapped_dates(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector's demolitions on samples with swapped dates."""
    pixels = Pixels()
    for sample in samples:
        found = detector(sample.swapped().views())
        pixels += score_pixels(found.gone >= MARKED, sample.truth)
    return pixels


def on_mosaics(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector on mosaics of the samples, which are judged tile by tile.

    A mosaic is harder than any scene: houses are cut at every border between samples.
    """
    pixels = Pixels()
    for whole in _mosaics(samples):
        found = either(tiled(detector, whole.views(), _MOSAIC_CORE_PX))
        pixels += score_pixels(found >= MARKED, whole.truth)
    return pixels


def on_untiled_mosaics(network: ChangeNetwork, samples: Sequence[Sample]) -> Pixels:
    """Scores a network on the same mosaics, each judged as a whole."""
    pixels = Pixels()
    for whole in _mosaics(samples):
        appeared, gone = network(whole.before[np.newaxis], whole.after[np.newaxis])
        pixels += score_pixels(np.maximum(appeared, gone)[0] >= MARKED, whole.truth)
    return pixels


def _mosaics(samples: Sequence[Sample]) -> Iterator[Sample]:
    columns = math.isqrt(len(samples))
    rng = np.random.default_rng(_SEED)
    for _ in range(_MOSAICS):
        some = rng.permutation(len(samples))[: columns * (len(samples) // columns)]
        yield mosaic([samples[number] for number in some], columns)


def across_borders(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector on samples with borders of tiles running through them, as in scenes.

    Each sample is extended by its mirror image, so that the borders cross in its middle.
    """
    pixels = Pixels()
    for sample in samples:
        beyond = sample.truth.shape[0] // 2
        found = either(tiled(detector, mirrored(sample, beyond).views(), 2 * beyond))
        own = found[beyond:-beyond, beyond:-beyond]
        pixels += score_pixels(own >= MARKED, sample.truth)
    return pixels


def screen_figures(samples: Sequence[Sample], houses: int = _SINGLE_HOUSES) -> ScreenFigures:
    """Measures the screen alone, with this number of single houses."""
    screen = Screen()
    kept = sum(int(np.count_nonzero(screen(one.views()) & one.truth)) for one in samples)
    single = [
        float(screen(one.views())[one.truth].mean()) >= _KEPT
        for one in inserted(samples, houses, _SEED)
    ]
    same = (unchanged(one, number, _SEED) for one in samples for number in range(_RELIT))
    wanted = [float(screen(one.views()).mean()) for one in same]
    labelled = sum(int(np.count_nonzero(one.truth)) for one in samples)
    return ScreenFigures(
        kept=kept / max(1, labelled),
        single=float(np.mean(single)) if single else math.nan,
        discarded=1 - float(np.mean(wanted)),
    )


def on_city(detector: Detector, samples: Sequence[Sample]) -> CityFigures:
    """Judges a scene, at least 95 % unchanged, by the detector alone and in a cascade."""
    scene = city(samples, _CITY_CHANGED, _SEED)
    share = ScreenedShare()
    detector(samples[0].views())  # a runtime prepares at its first call
    alone, alone_s = _timed(detector, scene)
    cascade, cascade_s = _timed(CascadeDetector(Screen(), detector, share), scene)
    return CityFigures(alone, cascade, alone_s, cascade_s, scene.truth.size / 1e6, share.wanted)


def _timed(detector: Detector, scene: Sample) -> tuple[Pixels, float]:
    """The score on a scene that is judged in tiles, and the CPU seconds taken."""
    began = time.process_time()  # CPU time: other programs do not count
    found = either(tiled(detector, scene.views(), TILE_PX))
    seconds = time.process_time() - began
    return score_pixels(found >= MARKED, scene.truth), seconds


def on_scenes(detectors: dict[str, Detector], samples: Sequence[Sample]) -> dict[str, Outcome]:
    """Judges scenes on disk: undisturbed, and disturbed with all steps and without each of them.

    Figures are means over several scenes: a single cloud beside new houses changes F1 of one scene
    by two points.
    """
    found = [_on_scene(detectors, samples, _SEED + number) for number in range(_SCENES)]
    return {name: mean_of([outcomes[name] for outcomes in found]) for name in found[0]}


def _on_scene(
    detectors: dict[str, Detector], samples: Sequence[Sample], seed: int
) -> dict[str, Outcome]:
    scene = city(samples, _SCENE_CHANGED, seed, SAME_LIGHT)  # moved and relit as a whole later
    outcomes = {}
    with TemporaryDirectory(prefix="cv-engine-bench-") as folder:
        clean, disturbed = Path(folder, "clean"), Path(folder, "disturbed")
        worse = write_scenes(scene, disturbed, seed=seed)
        better = write_scenes(scene, clean, seed=seed, disturbed=False)
        outcomes["undisturbed"] = judge(better, ALL, detectors, covered=worse.covered)
        for steps in VARIANTS:
            outcomes[steps.name] = judge(worse, steps, detectors)
    return outcomes
