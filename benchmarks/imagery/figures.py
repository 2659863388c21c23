"""What is measured of detectors of change and of the screen, on labelled pairs of tiles."""

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
    continued,
    degraded,
    inserted,
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
# Share of a scene's tiles that has change. A quarter keeps a scene small, and leaves ground by which
# its two images can be brought together.
_CITY_CHANGED = 0.05
_SCENE_CHANGED = 0.25
_SCENES = 8
_MOSAICS = 8  # F1 differs by a point from one to the next
_MOSAIC_CORE_PX = 512  # so that tiles' borders run through the mosaic's tiles
_SEED = 1
_SINGLE_HOUSES = 200
_RELIT = 8  # pictures made of each tile
_KEPT = 0.5  # share of a house that must be wanted


@dataclass(frozen=True, slots=True)
class Figures:
    """How one detector did.

    Attributes:
        pixels: Counts of pixels.
        objects: Counts of objects.
        ece: Expected calibration error of its probabilities; ``nan`` where it has none.
    """

    pixels: Pixels
    objects: Objects
    ece: float


@dataclass(frozen=True, slots=True)
class Race:
    """A detector alone and behind the screen, on one scene.

    Attributes:
        alone: Scored alone.
        behind: Scored behind the screen.
        alone_s: CPU seconds alone.
        behind_s: CPU seconds behind the screen, its own included.
        mpix: Size of the scene, megapixels.
        share: Share of the pixels that the screen let through.
    """

    alone: Pixels
    behind: Pixels
    alone_s: float
    behind_s: float
    mpix: float
    share: float


@dataclass(frozen=True, slots=True)
class Screened:
    """What the screen does.

    Attributes:
        kept: Share of the labelled pixels that it keeps.
        single: Share of single houses in ground that stays of which it keeps at least half.
        discarded: Share of unchanged ground in another light that it discards.
    """

    kept: float
    single: float
    discarded: float


def either(change: Change) -> Probability:
    """How sure a detector is that anything changed."""
    return np.maximum(change.appeared, change.gone)


def on_tiles(detector: Detector, samples: Sequence[Sample]) -> Figures:
    """Scores a detector on each sample by itself."""
    pixels, objects = Pixels(), Objects()
    said = [either(detector(sample.views())) for sample in samples]
    for probability, sample in zip(said, samples, strict=True):
        pixels += score_pixels(probability >= MARKED, sample.truth)
        objects += score_objects(probability >= MARKED, sample.truth, RESOLUTION_M)
    truth = np.stack([sample.truth for sample in samples])
    return Figures(pixels, objects, calibration_error(np.stack(said), truth))


def of_plain_way(samples: Sequence[Sample]) -> Figures:
    """Scores histogram matching, change vectors and Otsu's threshold."""
    pixels, objects = Pixels(), Objects()
    for sample in samples:
        marked = plain_change(sample.views())
        pixels += score_pixels(marked, sample.truth)
        objects += score_objects(marked, sample.truth, RESOLUTION_M)
    return Figures(pixels, objects, math.nan)


def at_2_m(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector on what a coarser sensor would have seen, on the fine grid."""
    pixels = Pixels()
    for sample in samples:
        said = either(detector(degraded(sample, _COARSE).views(_COARSE * RESOLUTION_M)))
        size = (sample.truth.shape[1], sample.truth.shape[0])
        fine = np.asarray(cv2.resize(said, size, interpolation=cv2.INTER_LINEAR), np.float32)
        pixels += score_pixels(fine >= MARKED, sample.truth)
    return pixels


def torn_down(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores what a detector says is gone, where the dates are swapped."""
    pixels = Pixels()
    for sample in samples:
        said = detector(sample.swapped().views())
        pixels += score_pixels(said.gone >= MARKED, sample.truth)
    return pixels


def on_mosaics(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector on the samples as one scene that is judged tile by tile, laid in several ways.

    Harder than any scene: at every border one piece of ground ends in the middle of its houses.
    """
    pixels = Pixels()
    for whole in _mosaics(samples):
        said = either(tiled(detector, whole.views(), _MOSAIC_CORE_PX))
        pixels += score_pixels(said >= MARKED, whole.truth)
    return pixels


def on_untiled_mosaics(network: ChangeNetwork, samples: Sequence[Sample]) -> Pixels:
    """The same of a network that is given each of these scenes at one go."""
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


def cut_through(detector: Detector, samples: Sequence[Sample]) -> Pixels:
    """Scores a detector on samples through which borders of its tiles run, as they do in scenes.

    Each sample is continued by its mirror image, and the borders cross in the middle of it.
    """
    pixels = Pixels()
    for sample in samples:
        beyond = sample.truth.shape[0] // 2
        said = either(tiled(detector, continued(sample, beyond).views(), 2 * beyond))
        own = said[beyond:-beyond, beyond:-beyond]
        pixels += score_pixels(own >= MARKED, sample.truth)
    return pixels


def of_screen(samples: Sequence[Sample], houses: int = _SINGLE_HOUSES) -> Screened:
    """Measures the screen by itself, with so many single houses."""
    screen = Screen()
    kept = sum(int(np.count_nonzero(screen(one.views()) & one.truth)) for one in samples)
    single = [
        float(screen(one.views())[one.truth].mean()) >= _KEPT
        for one in inserted(samples, houses, _SEED)
    ]
    stays = (unchanged(one, number, _SEED) for one in samples for number in range(_RELIT))
    wanted = [float(screen(one.views()).mean()) for one in stays]
    labelled = sum(int(np.count_nonzero(one.truth)) for one in samples)
    return Screened(
        kept=kept / max(1, labelled),
        single=float(np.mean(single)) if single else math.nan,
        discarded=1 - float(np.mean(wanted)),
    )


def race(detector: Detector, samples: Sequence[Sample]) -> Race:
    """Judges a scene of which at least 95 % is unchanged, alone and behind the screen."""
    scene = city(samples, _CITY_CHANGED, _SEED)
    share = ScreenedShare()
    detector(samples[0].views())  # a runtime makes ready at its first call
    alone, alone_s = _timed(detector, scene)
    behind, behind_s = _timed(CascadeDetector(Screen(), detector, share), scene)
    return Race(alone, behind, alone_s, behind_s, scene.truth.size / 1e6, share.wanted)


def _timed(detector: Detector, scene: Sample) -> tuple[Pixels, float]:
    """The score on a scene that is judged in tiles, and the CPU seconds that it takes."""
    begin = time.process_time()  # of the CPU: other work on the machine does not count
    said = either(tiled(detector, scene.views(), TILE_PX))
    seconds = time.process_time() - begin
    return score_pixels(said >= MARKED, scene.truth), seconds


def on_scenes(detectors: dict[str, Detector], samples: Sequence[Sample]) -> dict[str, Outcome]:
    """Judges scenes on disk: undisturbed, and disturbed with all steps and without each of them.

    The means over several scenes: in one, a single cloud beside new houses moves F1 by two points.
    """
    found = [_on_scene(detectors, samples, _SEED + number) for number in range(_SCENES)]
    return {name: mean_of([outcomes[name] for outcomes in found]) for name in found[0]}


def _on_scene(
    detectors: dict[str, Detector], samples: Sequence[Sample], seed: int
) -> dict[str, Outcome]:
    scene = city(samples, _SCENE_CHANGED, seed, SAME_LIGHT)  # it is moved and relit as a whole
    outcomes = {}
    with TemporaryDirectory(prefix="cv-engine-bench-") as folder:
        clean, disturbed = Path(folder, "clean"), Path(folder, "disturbed")
        worse = write_scenes(scene, disturbed, seed=seed)
        better = write_scenes(scene, clean, seed=seed, disturbed=False)
        outcomes["undisturbed"] = judge(better, ALL, detectors, covered=worse.covered)
        for steps in VARIANTS:
            outcomes[steps.name] = judge(worse, steps, detectors)
    return outcomes
