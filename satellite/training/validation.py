"""Figures on places that a network did not learn from."""

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

# Neighbouring pixels say nearly the same: every fourth row and column is enough to calibrate with.
_STRIDE = 4


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found on the places left out.

    Attributes:
        before: Counts of each place with the weights that training begins with; empty without any.
        after: Counts of each place by the network that learned from the other folds.
        calibrated: Counts of each place with probabilities calibrated on the other folds.
        calibration: Fitted on all places.
        error_raw: Expected calibration error of the network's own probabilities.
        error: The same of those calibrated on the other folds.
        poor_before: As ``before``, seen by a blurred and noisy sensor of the same resolution.
        poor_after: As ``after``, likewise.
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
    """Counts of all places together."""
    return sum(counts.values(), Counts())


def validate(
    groups: Sequence[Sequence[Sample]],
    first: Mapping[str, Probability],
    last: Mapping[str, Probability],
) -> Validation:
    """Works out the figures.

    Args:
        groups: The places of each fold.
        first: What the weights that training begins with say of each place; empty without any.
        last: What the network says of each place that learned from the other folds.

    Returns:
        The figures; each place's probabilities are calibrated with those of the other folds.
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
    """The calibration that fits these places; none where the truth is all the same."""
    try:
        return platt.fit(*_pixels(samples, values))
    except (ModelError, np.linalg.LinAlgError):  # the latter where all answers are the same
        return Platt()


def _pixels(
    samples: Sequence[Sample], values: Mapping[str, Probability]
) -> tuple[Probability, Mask]:
    """Values and truth of every few pixels of which something is known."""
    chosen = [s.known[::_STRIDE, ::_STRIDE] > 0 for s in samples]
    pairs = list(zip(samples, chosen, strict=True))
    found = [values[s.name][::_STRIDE, ::_STRIDE][use] for s, use in pairs]
    truth = [s.appeared[::_STRIDE, ::_STRIDE][use] for s, use in pairs]
    return np.concatenate(found), np.concatenate(truth)
