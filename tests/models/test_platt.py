from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models import ModelError
from models.platt import Platt, calibration_error, fit, log_loss


def drawn(scale: float, bias: float) -> tuple[Any, Any]:
    """Probabilities of a network that is sure in the wrong measure, and what was so."""
    source = np.random.default_rng(3)
    logit = source.normal(-1, 2, 40_000)
    truth = source.random(len(logit)) < 1 / (1 + np.exp(-(scale * logit + bias)))
    return (1 / (1 + np.exp(-logit))).astype(np.float32).reshape(200, 200), truth.reshape(200, 200)


@pytest.mark.parametrize(("scale", "bias"), [(0.5, 0.0), (1.0, -1.0), (2.0, 0.7)])
def test_the_correction_is_found(scale: float, bias: float) -> None:
    probability, truth = drawn(scale, bias)
    platt = fit(probability, truth)
    assert (platt.scale, platt.bias) == pytest.approx((scale, bias), abs=0.1)
    corrected = platt(probability)
    assert corrected.shape == probability.shape and corrected.dtype == np.float32
    assert calibration_error(corrected, truth) < 0.01 < calibration_error(probability, truth)
    assert log_loss(corrected, truth) < log_loss(probability, truth)


def test_the_figures_are_those_of_the_definitions() -> None:
    probability, truth = np.array([0.9, 0.9, 0.1, 0.2]), np.array([1, 0, 0, 1])
    given = np.where(truth, probability, 1 - probability)
    assert log_loss(probability, truth) == pytest.approx(-np.log(given).mean(), rel=1e-5)
    # Bins of 1/15: 0.9 twice (share 0.5), 0.1 (share 0), 0.2 (share 1).
    assert calibration_error(probability, truth) == pytest.approx((0.8 + 0.1 + 0.8) / 4)


def test_no_correction_changes_nothing() -> None:
    probability = np.array([0.0, 0.3, 1.0], np.float32)
    assert Platt()(probability) is probability


def test_certainty_is_no_error() -> None:
    ends = Platt(0.5, 0.1)(np.array([0.0, 1.0], np.float32))
    assert 0 <= ends[0] < 0.01 and 0.99 < ends[1] <= 1


def test_a_correction_is_written_and_read() -> None:
    assert Platt.from_text(Platt(0.7, -0.1).to_text()) == Platt(0.7, -0.1)


@pytest.mark.parametrize(
    "text",
    ["", "1", "[]", "{}", '{"scale": 1}', '{"scale": 0, "bias": 0}', '{"scale": "a", "bias": 0}'],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="is no calibration"):
        Platt.from_text(text)


@pytest.mark.parametrize(
    ("probability", "truth", "message"),
    [
        ([0.1, 0.9], [1, 1], "both changed and unchanged"),
        ([0.5, 0.5, 0.5], [1, 0, 1], "probabilities that differ"),
        ([0.9, 0.8, 0.2, 0.1, 0.3], [0, 0, 1, 1, 0], "no scale above 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    probability: list[float], truth: list[int], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        fit(np.array(probability), np.array(truth))
