from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.training.scores import Counts

numbers = st.integers(0, 10**6)


def test_pixels_are_counted_where_the_truth_is_known() -> None:
    found = np.array([[0.9, 0.5, 0.4, 0.1, 0.9]], np.float32)
    truth = np.array([[1, 0, 1, 0, 1]], np.uint8)
    known = np.array([[1, 1, 1, 1, 0]], np.uint8)
    counts = Counts.of(found, truth, known)
    assert counts == Counts(true=1, false=1, missed=1)
    assert (counts.precision, counts.recall, counts.f1) == (0.5, 0.5, 0.5)
    assert counts.iou == pytest.approx(1 / 3)


def test_figures_with_a_zero_denominator_are_0() -> None:
    nothing = Counts()
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.iou) == (0, 0, 0, 0)


@given(numbers, numbers, numbers)
def test_f1_is_the_harmonic_mean_and_follows_from_iou(true: int, false: int, missed: int) -> None:
    counts = Counts(true, false, missed)
    if counts.true:
        assert counts.f1 == pytest.approx(2 / (1 / counts.precision + 1 / counts.recall))
        assert counts.f1 == pytest.approx(2 * counts.iou / (1 + counts.iou))


def test_counts_add_up() -> None:
    assert sum([Counts(1, 2, 3), Counts(10, 20, 30)], Counts()) == Counts(11, 22, 33)
