"""Figures of a score, with intervals over clips, and how well confidences hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.bootstrap import interval, resampled
from benchmarks.harness.event_score import Score
from models.platt import calibration_error

_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and the interval that holds 95 % of its values over resampled clips."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of some clips."""

    clips: int
    things: int
    false: int
    recall: Figure
    strict: Figure
    precision: Figure
    precision_strict: Figure
    f1: Figure
    cases_per_thing: Figure
    start_error_s: Figure


def total(scores: Sequence[Score]) -> Score:
    """The sum over clips."""
    whole = Score()
    for score in scores:
        whole.add(score)
    return whole


def figures(scores: Sequence[Score]) -> Figures:
    """The figures of clips, one score for each."""
    whole = total(scores)
    weights = resampled(len(scores)) if scores else np.zeros((1, 0), np.int64)
    counts = weights @ np.array([_counts(score) for score in scores]).reshape(len(scores), 8)
    events, found, strict, matched, rightly, false, cases, stays = counts.T.astype(np.float64)
    recall, precision = _ratio(found, events), _ratio(matched, matched + false)
    f1 = 2 * recall * precision / np.maximum(1e-9, recall + precision)
    per_thing = np.where(stays > 0, cases / np.maximum(1, stays), 1.0)
    return Figures(
        len(scores),
        whole.events,
        whole.false,
        Figure(whole.recall, *interval(recall)),
        Figure(whole.recall_strict, *interval(_ratio(strict, events))),
        Figure(whole.precision, *interval(precision)),
        Figure(whole.precision_strict, *interval(_ratio(rightly, matched + false))),
        Figure(whole.f1, *interval(f1)),
        Figure(whole.cases_per_thing, *interval(per_thing)),
        Figure(whole.start_error_s, *interval(_medians(scores, weights))),
    )


def confidence_error(score: Score) -> float:
    """Expected calibration error of the confidences: 0 where each is the share that is right."""
    if not score.confidences:
        return 0.0
    given, right = np.array(score.confidences).T
    return calibration_error(given, right > 0)


def reliability(score: Score) -> list[dict[str, float]]:
    """For each range of confidence: how many cases had it, its mean, and how many were right."""
    table = []
    given = np.array([(confidence, right) for confidence, right in score.confidences]).reshape(
        -1, 2
    )
    for low, high in pairwise(_BINS):
        inside = given[(given[:, 0] >= low) & ((given[:, 0] < high) | (high == _BINS[-1]))]
        if len(inside):
            mean, right = inside.mean(axis=0)
            table.append(
                {
                    "from": low,
                    "to": high,
                    "cases": len(inside),
                    "confidence": round(float(mean), 3),
                    "right": round(float(right), 3),
                }
            )
    return table


def _counts(score: Score) -> tuple[int, ...]:
    return (
        score.events,
        score.found,
        score.found_strictly,
        score.matched,
        score.matched_strictly,
        score.false,
        score.cases_of_found,
        score.stays_found,
    )


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(part / np.maximum(1, whole), np.float64)


def _medians(scores: Sequence[Score], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median error of the start of each resampling, 0 where nothing was found."""
    errors = np.abs([error for score in scores for error in score.start_errors_s])
    owner = [n for n, score in enumerate(scores) for _ in score.start_errors_s]
    if len(errors) == 0:
        return np.zeros(len(weights))
    drawn = (np.repeat(errors, row[owner]) for row in weights)
    return np.array([np.median(values) if len(values) else 0.0 for values in drawn])
