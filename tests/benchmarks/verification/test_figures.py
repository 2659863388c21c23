from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verification.figures import auc, false_shares, reliability, summary

TRUTH = np.array([True, True, False, False])


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auc(np.array([3.0, 1.0, 2.0, 0.0]), TRUTH) == 0.75
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), TRUTH) == 0.5


def test_precision_and_recall_are_taken_at_a_logit_of_zero() -> None:
    found = summary(np.array([3.0, -1.0, 2.0, -2.0]), TRUTH)
    assert (found["precision"], found["recall"]) == (0.5, 0.5)


def test_false_shares_are_of_each_kind_that_is_no_thing() -> None:
    kinds = ["thing", "shadow", "shadow", "fog"]
    assert false_shares(np.array([1.0, 1.0, -1.0, -1.0]), kinds) == {"shadow": 0.5, "fog": 0.0}


def test_the_reliability_table_compares_what_is_given_with_what_is() -> None:
    logits = np.array([2.2, 2.2, 2.2, 2.2, -3.0])
    rows = reliability(logits, np.array([True, True, True, False, False]))
    assert [(round(least, 1), share, count) for least, _, share, count in rows] == [
        (0.0, 0.0, 1),
        (0.9, 0.75, 4),
    ]
    assert rows[1][1] == pytest.approx(1 / (1 + np.exp(-2.2)))
