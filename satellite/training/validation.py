"""Accuracy and calibration on samples that were left out of a network's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models import platt
from models.errors import ModelError
from models.platt import Platt, calibration_error
from satellite.imagery.views import Probability
from satellite.training.samples import Mask, Sample
from satellite.training.scores import Counts

# Neighbouring pixels are nearly equal: every fourth row and column suffices for calibration.
_STRIDE = 4


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures on the samples left out.

    Attributes:
        before: Counts of each sample with the initial weights; empty without any.
        after: Counts of each sample with the network trained on the other folds.
        calibrated: Counts of each sample with probabilities calibrated on the other folds.
        calibration: Calibration fitted on all samples.
        error_raw: Expected calibration error of the uncalibrated probabilities.
        error: Expected calibration error of those calibrated on the other folds.
        poor_before: ``before``, seen by a blurred and noisy sensor of the same resolution.
        poor_after: ``after``, seen by a blurred and noisy sensor of the same resolution.
    """

    before: Mapping[str, Counts]
    after: Mapping[str, Counts]
    calibrated: Mapping[str, Counts]
    calibration: Platt
    error_raw: float
    error: float
    poor_before: Mapping[str, Counts] = field(default_factory=dict)
    poor_after: Mapping[str, Counts] = field(default_factory=dict)


def pooled(counts: Mapping[str, Counts]) -> Counts:
    """Counts of all samples together."""
    return sum(counts.values(), Counts())


def validate(
    groups: Sequence[Sequence[Sample]],
    first: Mapping[str, Probability],
    last: Mapping[str, Probability],
) -> Validation:
    """Computes the figures.

    Args:
        groups: The samples of each fold.
        first: Probabilities of each sample with the initial weights; empty without any.
        last: Probabilities of each sample from the network trained on the other folds.

    Returns:
        The figures; each sample's probabilities are calibrated on the other folds.
    """
    samples = [sample for group in groups for sample in group]
    honest: dict[str, Probability] = {}
    for group in groups:
        calibration = _calibration([s for s in samples if s not in group], last)
        honest |= {sample.name: calibration(last[sample.name]) for sample in group}
    return Validation(
        before={s.name: _counts(s, first[s.name]) for s in samples if s.name in first},
        after={s.name: _counts(s, last[s.name]) for s in samples},
        calibrated={s.name: _counts(s, honest[s.name]) for s in samples},
        calibration=_calibration(samples, last),
        error_raw=calibration_error(*_pixels(samples, last)),
        error=calibration_error(*_pixels(samples, honest)),
    )


def _counts(sample: Sample, found: Probability) -> Counts:
    return Counts.of(found, sample.appeared, sample.known)


def _calibration(samples: Sequence[Sample], values: Mapping[str, Probability]) -> Platt:
    """The calibration of these samples; none where the truth has one class only."""
    try:
        return platt.fit(*_pixels(samples, values))
    except (ModelError, np.linalg.LinAlgError):  # LinAlgError: all probabilities are equal
        return Platt()


def _pixels(
    samples: Sequence[Sample], values: Mapping[str, Probability]
) -> tuple[Probability, Mask]:
    """Values and truth on a grid of every fourth pixel, where the truth is known."""
    chosen = [s.known[::_STRIDE, ::_STRIDE] > 0 for s in samples]
    pairs = list(zip(samples, chosen, strict=True))
    found = [values[s.name][::_STRIDE, ::_STRIDE][use] for s, use in pairs]
    truth = [s.appeared[::_STRIDE, ::_STRIDE][use] for s, use in pairs]
    return np.concatenate(found), np.concatenate(truth)
