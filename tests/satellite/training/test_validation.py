from __future__ import annotations

import numpy as np
import pytest

from satellite.imagery.views import Probability
from satellite.training.samples import Sample
from satellite.training.validation import pooled, validate
from tests.satellite.training.places import place

PLACES = [place(seed=i, name=str(i)) for i in range(4)]


def _overconfident(sample: Sample, seed: int) -> Probability:
    """Mostly correct probabilities that are too close to 0 and 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(np.where(sample.appeared > 0, 1.0, -1.0), 1.0) * 8
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def test_calibration_on_other_folds_reduces_the_error() -> None:
    found = {sample.name: _overconfident(sample, i) for i, sample in enumerate(PLACES)}
    figures = validate([[sample] for sample in PLACES], {}, found)
    assert figures.before == {}
    assert figures.error < 0.02 < figures.error_raw
    assert 0.15 < figures.calibration.scale < 0.5  # the logits are 4 times too large
    assert pooled(figures.calibrated).precision > pooled(figures.after).precision


def test_without_change_in_the_truth_probabilities_are_not_calibrated() -> None:
    empty = [place(seed=i, name=str(i), houses=0) for i in range(2)]
    found = {sample.name: _overconfident(sample, i) for i, sample in enumerate(empty)}
    figures = validate([[empty[0]], [empty[1]]], found, found)
    assert figures.calibration.scale == 1
    assert figures.after == figures.calibrated == figures.before


def test_pooled_figures_count_pixels_rather_than_tiles() -> None:
    found = {sample.name: sample.appeared.astype(np.float32) for sample in PLACES}
    found["0"] = np.zeros_like(found["0"])
    figures = validate([[sample] for sample in PLACES], {}, found)
    total = pooled(figures.after)
    missed = int(PLACES[0].appeared.sum())
    truth = sum(int(sample.appeared.sum()) for sample in PLACES)
    assert (total.true, total.missed, total.false) == (truth - missed, missed, 0)
    assert total.recall == pytest.approx(1 - missed / truth)
