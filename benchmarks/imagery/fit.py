"""Fits the weights of the classical detector to labelled pairs of tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.imagery.score import MARKED
from benchmarks.imagery.tiles import RESOLUTION_M, Sample, degraded, relit
from satellite.detection.classical import APPEARED, change_measures, construction_probability
from satellite.detection.roofs import BUILDING, Odds, Roofs, Segmentation, segment
from satellite.detection.segmentation import Labels, Table, sum_by_label

Plane = NDArray[np.float32]

_SCALES: Final = (1, 4)  # 0.5 m and 2 m
_SEED: Final = 1  # of the changed light
_ROUNDS: Final = 6  # of expectation maximisation, after which the odds hardly change
# Prior share of the ground where buildings stand at both dates.
_STANDS: Final = 0.1
# Penalty on the squared weights of measures of spread 1, against the mean loss of a pixel.
_RIDGE: Final = 1e-3
# Offsets of the logarithm of the odds that are tried for the highest F1 at 0.5. F1 is averaged over
# neighbouring offsets, since with so few tiles it is not smooth.
_RAISED: Final = np.arange(-0.5, 2.6, 0.1)
_AVERAGED: Final = 5
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPair:
    """A labelled pair, divided into objects.

    Attributes:
        before: The earlier date.
        after: The later date.
        new: float32 ``(height, width)`` of the working pictures: share of the pixel labelled.
    """

    before: Segmentation
    after: Segmentation
    new: Plane


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Objects to which odds are fitted.

    Attributes:
        measures: ``(n, measures)``.
        target: ``(n,)``: share of each object that is positive.
        area_m2: ``(n,)``: area of each object.
    """

    measures: Table
    target: Table
    area_m2: Table


def training_pairs(sample: Sample) -> list[TrainingPair]:
    """The training pairs of a sample: unchanged and in another light, at 0.5 m and at 2 m."""
    rng = np.random.default_rng(_SEED)
    found = []
    for factor in _SCALES:
        coarse, resolution_m = degraded(sample, factor), factor * RESOLUTION_M
        dates = [coarse.before, coarse.after]
        for before, after in (dates, [relit(picture, rng) for picture in dates]):
            surfaces = segment(before, resolution_m), segment(after, resolution_m)
            size = surfaces[1].light.shape[::-1]
            truth = sample.truth.astype(np.float32)
            new = cv2.resize(truth, size, interpolation=cv2.INTER_AREA)
            found.append(TrainingPair(*surfaces, np.asarray(new, np.float32)))
    return found


def fitted_odds(pairs: Sequence[TrainingPair]) -> tuple[Odds, Odds]:
    """Fits the odds.

    Returns:
        The odds that an object is a building, and that a building has appeared.
    """
    building = _fitted_building(pairs)
    return building, _fitted_appeared(pairs, building)


def _fitted_building(pairs: Sequence[TrainingPair]) -> Odds:
    """Odds of buildings, from labels of new buildings only.

    Unlabelled ground is the same at both dates. Whether a building stands there at both dates is a
    hidden variable of expectation maximisation.
    """
    names = tuple(BUILDING.weights)
    stays = [np.full(pair.new.shape, _STANDS, np.float32) for pair in pairs]
    building = BUILDING
    for _ in range(_ROUNDS):
        rows = []
        for pair, stay in zip(pairs, stays, strict=True):
            old = (1 - pair.new) * stay
            for surface, stands in ((pair.before, old), (pair.after, old + pair.new)):
                measures = [surface.measures(ids) for ids in surface.levels]
                rows += list(_rows(surface, measures, names, stands))
        building = _logistic(rows, names)
        stays = [_both(pair, building) for pair in pairs]
    return building


def _both(pair: TrainingPair, building: Odds) -> Plane:
    """Probability that a building stands at both dates on unlabelled ground."""
    one, two = (date.judged(building).likelihood for date in (pair.before, pair.after))
    return np.asarray(one * two / (one * two + (1 - one) * (1 - two) + _TINY), np.float32)


def _fitted_appeared(pairs: Sequence[TrainingPair], building: Odds) -> Odds:
    """Odds of new buildings; with swapped dates, none is new."""
    names = tuple(APPEARED.weights)
    judged = [(one.before.judged(building), one.after.judged(building)) for one in pairs]
    rows: list[Rows] = []
    for pair, (before, after) in zip(pairs, judged, strict=True):
        rows += _rows(pair.after, change_measures(before, after), names, pair.new)
        rows += _rows(pair.before, change_measures(after, before), names, np.zeros_like(pair.new))
    return _raised(_logistic(rows, names), pairs, judged)


def _raised(
    appeared: Odds, pairs: Sequence[TrainingPair], judged: Sequence[tuple[Roofs, Roofs]]
) -> Odds:
    """The odds with the constant that gives the highest F1 at a probability of 0.5."""
    tried = [replace(appeared, constant=float(appeared.constant + more)) for more in _RAISED]
    f1 = []
    for odds in tried:
        hits = total = 0.0
        for pair, (before, after) in zip(pairs, judged, strict=True):
            marked = construction_probability(before, after, odds) >= MARKED
            pixel_m2 = after.resolution_m**2
            hits += pixel_m2 * float(pair.new[marked].sum())
            total += pixel_m2 * float(marked.sum() + pair.new.sum())
        f1.append(2 * hits / max(total, _TINY))
    smooth = np.convolve(f1, np.ones(_AVERAGED) / _AVERAGED, "valid")
    return tried[int(np.argmax(smooth)) + _AVERAGED // 2]


def _rows(
    surface: Segmentation, measures: Sequence[dict[str, Table]], names: Sequence[str], holds: Plane
) -> Iterator[Rows]:
    """The objects of each level; ``holds`` is the positive share of each pixel."""
    pieces = sum_by_label(surface.pieces.ravel(), holds.ravel(), 0)
    for ids, of_level in zip(surface.levels, measures, strict=True):
        pixels = _total(ids, surface.table["pixels"])
        columns = np.stack([of_level[name] for name in names], axis=1)
        yield Rows(columns, _total(ids, pieces) / pixels, pixels * surface.resolution_m**2)


def _total(ids: Labels, pieces: Table) -> Table:
    return sum_by_label(ids, pieces, int(ids.max()) + 1)


def _logistic(rows: Sequence[Rows], names: Sequence[str]) -> Odds:
    """Logistic regression, with each object weighted by its area."""
    measures = np.concatenate([one.measures for one in rows])
    target = np.concatenate([one.target for one in rows])
    weight = np.concatenate([one.area_m2 for one in rows])
    weight = weight / weight.sum()
    middle = weight @ measures
    spread = np.sqrt(weight @ (measures - middle) ** 2) + _TINY
    scaled = (measures - middle) / spread

    def loss(numbers: Table) -> tuple[float, Table]:
        odds = scaled @ numbers[1:] + numbers[0]
        wrong = weight * (1 / (1 + np.exp(-odds)) - target)
        value = (
            weight @ (np.logaddexp(0, odds) - target * odds) + _RIDGE * numbers[1:] @ numbers[1:]
        )
        slope = np.concatenate([[wrong.sum()], wrong @ scaled + 2 * _RIDGE * numbers[1:]])
        return float(value), slope

    best = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    weights = best[1:] / spread
    constant = float(best[0] - weights @ middle)
    return Odds(constant, dict(zip(names, (float(one) for one in weights), strict=True)))
