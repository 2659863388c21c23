"""Fits the numbers of the classical detector to labelled pairs of tiles."""

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
from satellite.detection.classical import APPEARED, construction_probability, change_measures
from satellite.detection.segmentation import Labels, Table, sum_by_label
from satellite.detection.roofs import BUILDING, Odds, Roofs, Segmentation, segment

Plane = NDArray[np.float32]

_SCALES: Final = (1, 4)  # 0.5 m and 2 m
_SEED: Final = 1  # of the changed light
_ROUNDS: Final = 6  # of expectation and maximisation; the odds hardly change after that
# Share of the ground where buildings stand at both dates, before anything is known.
_STANDS: Final = 0.1
# Penalty on the squared weights of measures of spread 1, against the mean loss of a pixel.
_RIDGE: Final = 1e-3
# What is added to the logarithm of the odds, at most, so that 0.5 gives the highest F1; tried in
# steps, of which so many are averaged, since F1 over so few tiles is rough.
_RAISED: Final = np.arange(-0.5, 2.6, 0.1)
_AVERAGED: Final = 5
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A labelled pair, divided into objects.

    Attributes:
        before: The earlier date.
        after: The later one.
        new: float32 ``(height, width)`` of the working pictures: share labelled.
    """

    before: Segmentation
    after: Segmentation
    new: Plane


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Objects to which odds are fitted.

    Attributes:
        measures: ``(n, measures)``.
        target: ``(n,)``: share of each for which it holds.
        area_m2: ``(n,)``: its size.
    """

    measures: Table
    target: Table
    area_m2: Table


def lessons(sample: Sample) -> list[Lesson]:
    """What a sample teaches: as it is and in another light, as it is and at 2 m."""
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
            found.append(Lesson(*surfaces, np.asarray(new, np.float32)))
    return found


def fitted_odds(taught: Sequence[Lesson]) -> tuple[Odds, Odds]:
    """Fits the numbers.

    Returns:
        The odds that an object is a building, and that one has appeared.
    """
    building = _fitted_building(taught)
    return building, _fitted_appeared(taught, building)


def _fitted_building(taught: Sequence[Lesson]) -> Odds:
    """Odds of buildings, from labels that tell only of new ones.

    What is not labelled is alike at both dates, so each date teaches what the other shows:
    expectation maximisation over whether a building stands there at both.
    """
    names = tuple(BUILDING.weights)
    stays = [np.full(lesson.new.shape, _STANDS, np.float32) for lesson in taught]
    building = BUILDING
    for _ in range(_ROUNDS):
        rows = []
        for lesson, stay in zip(taught, stays, strict=True):
            old = (1 - lesson.new) * stay
            for surface, stands in ((lesson.before, old), (lesson.after, old + lesson.new)):
                measures = [surface.measures(ids) for ids in surface.levels]
                rows += list(_rows(surface, measures, names, stands))
        building = _logistic(rows, names)
        stays = [_both(lesson, building) for lesson in taught]
    return building


def _both(lesson: Lesson, building: Odds) -> Plane:
    """Probability that a building stands at both dates where nothing is labelled."""
    one, two = (date.judged(building).likelihood for date in (lesson.before, lesson.after))
    return np.asarray(one * two / (one * two + (1 - one) * (1 - two) + _TINY), np.float32)


def _fitted_appeared(taught: Sequence[Lesson], building: Odds) -> Odds:
    """Odds of new buildings; none is new where the dates are swapped."""
    names = tuple(APPEARED.weights)
    judged = [(one.before.judged(building), one.after.judged(building)) for one in taught]
    rows: list[Rows] = []
    for lesson, (before, after) in zip(taught, judged, strict=True):
        rows += _rows(lesson.after, change_measures(before, after), names, lesson.new)
        rows += _rows(lesson.before, change_measures(after, before), names, np.zeros_like(lesson.new))
    return _raised(_logistic(rows, names), taught, judged)


def _raised(
    appeared: Odds, taught: Sequence[Lesson], judged: Sequence[tuple[Roofs, Roofs]]
) -> Odds:
    """The same odds with the constant with which F1 is highest when 0.5 decides."""
    tried = [replace(appeared, constant=float(appeared.constant + more)) for more in _RAISED]
    f1 = []
    for odds in tried:
        hits = total = 0.0
        for lesson, (before, after) in zip(taught, judged, strict=True):
            marked = construction_probability(before, after, odds) >= MARKED
            pixel_m2 = after.resolution_m**2
            hits += pixel_m2 * float(lesson.new[marked].sum())
            total += pixel_m2 * float(marked.sum() + lesson.new.sum())
        f1.append(2 * hits / max(total, _TINY))
    smooth = np.convolve(f1, np.ones(_AVERAGED) / _AVERAGED, "valid")
    return tried[int(np.argmax(smooth)) + _AVERAGED // 2]


def _rows(
    surface: Segmentation, measures: Sequence[dict[str, Table]], names: Sequence[str], holds: Plane
) -> Iterator[Rows]:
    """The objects of each level; ``holds`` is the share of each pixel for which it does."""
    pieces = sum_by_label(surface.pieces.ravel(), holds.ravel(), 0)
    for ids, of_level in zip(surface.levels, measures, strict=True):
        pixels = _total(ids, surface.table["pixels"])
        columns = np.stack([of_level[name] for name in names], axis=1)
        yield Rows(columns, _total(ids, pieces) / pixels, pixels * surface.resolution_m**2)


def _total(ids: Labels, pieces: Table) -> Table:
    return sum_by_label(ids, pieces, int(ids.max()) + 1)


def _logistic(rows: Sequence[Rows], names: Sequence[str]) -> Odds:
    """Weighted logistic regression, each object weighing as much as its area."""
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
