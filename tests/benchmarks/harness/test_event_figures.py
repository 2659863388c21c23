from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.bootstrap import interval, resampled
from benchmarks.harness.event_figures import figures, reliability
from benchmarks.harness.event_score import Score


def _score(events: int, found: int, false: int, errors: tuple[float, ...] = ()) -> Score:
    return Score(
        events=events,
        found=found,
        matched=found,
        false=false,
        cases_of_found=found,
        stays_found=found,
        start_errors_s=list(errors),
    )


def test_equal_clips_leave_nothing_uncertain() -> None:
    row = figures([_score(2, 1, 1, (0.5,))] * 5)
    assert (row.recall.low, row.recall.value, row.recall.high) == (0.5, 0.5, 0.5)
    assert (row.precision.low, row.precision.high) == (0.5, 0.5)
    assert (row.start_error_s.low, row.start_error_s.high) == (0.5, 0.5)


def test_the_interval_holds_the_figure_and_narrows_with_more_clips() -> None:
    few = figures([_score(1, n % 2, 0) for n in range(10)])
    many = figures([_score(1, n % 2, 0) for n in range(200)])
    assert few.recall.low < few.recall.value < few.recall.high
    assert many.recall.high - many.recall.low < few.recall.high - few.recall.low
    # The standard error of a share of one half over 200 is 0.035.
    assert many.recall.high - many.recall.low == pytest.approx(4 * 0.035, rel=0.15)


def test_no_clip_and_no_event_give_numbers() -> None:
    assert figures([]).recall.value == 0.0
    assert figures([Score()]).start_error_s.value == 0.0


def test_resampling_draws_as_many_as_there_are() -> None:
    weights = resampled(7)
    assert np.all(weights.sum(axis=1) == 7)
    assert interval(np.arange(1001.0), 0.9) == pytest.approx((50.0, 950.0))


def test_reliability_counts_what_was_right_in_each_range() -> None:
    score = Score(confidences=[(0.95, True), (0.9, False), (1.0, True), (0.1, False)])
    low, high = reliability(score)
    assert (low["from"], low["cases"], low["right"]) == (0.0, 1, 0.0)
    assert (high["to"], high["cases"], high["confidence"]) == (1.0, 3, 0.95)
    assert high["right"] == pytest.approx(0.667, abs=1e-3)
