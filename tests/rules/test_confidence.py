"""Confidences of cases are probabilities: comparable between kinds, and in the detector's order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.event_figures import confidence_error, reliability
from benchmarks.harness.event_score import Score
from cv_engine.rules.confidence import of_thing, of_vehicle


@pytest.mark.parametrize("corrected", [of_vehicle, of_thing])
@given(low=st.floats(0, 1), high=st.floats(0, 1))
def test_the_order_is_kept_and_nothing_is_certain(
    corrected: Callable[[float], float], low: float, high: float
) -> None:
    low, high = sorted((low, high))
    assert 0.0 <= corrected(low) <= corrected(high) <= 1.0


def test_a_faint_vehicle_that_stands_is_likelier_right_than_the_detector_says() -> None:
    assert 0.75 < of_vehicle(0.35) < 0.85
    assert 0.85 < of_vehicle(0.5) < 0.92


def test_a_thing_is_likelier_wrong_than_the_verifier_says() -> None:
    assert 0.25 < of_thing(0.5) < 0.4
    assert 0.85 < of_thing(0.9) < 0.9


def test_the_error_of_confidences_is_their_distance_from_what_was_right() -> None:
    sound = Score(confidences=[(0.9, True)] * 9 + [(0.9, False)])
    boastful = Score(confidences=[(0.95, True)] * 5 + [(0.95, False)] * 5)
    assert confidence_error(sound) == pytest.approx(0.0)
    assert confidence_error(boastful) == pytest.approx(0.45)
    assert confidence_error(Score()) == 0.0
    (row,) = reliability(boastful)
    assert (row["cases"], row["right"]) == (10, 0.5)
