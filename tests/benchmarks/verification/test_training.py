from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.verification.figures import auc
from benchmarks.verification.training import Settings, train

SETTINGS = Settings(units=24, epochs=40, rate=2e-2, dropout=0.0, batch=64)


def rings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that no line separates: inside a ring or not, in two of six inputs."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 6)).astype(np.float32)
    return rows * 3 + 10, np.linalg.norm(rows[:, :2], axis=1) < 1.2


def test_a_head_learns_what_no_line_separates() -> None:
    rows, truth = rings(3000, 1)
    other, wanted = rings(1000, 2)
    head = train(rows, truth, np.ones(len(rows), np.int64), "none", 1, SETTINGS)
    assert auc(head(other), wanted) > 0.97


def test_the_same_seed_trains_the_same_head() -> None:
    rows, truth = rings(300, 1)
    first, second = (
        train(rows, truth, np.ones(len(rows), np.int64), "none", 4, replace(SETTINGS, epochs=2))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.into, second.into)


def test_an_input_that_never_varies_does_no_harm() -> None:
    rows, truth = rings(300, 1)
    rows[:, 5] = 7.0
    head = train(rows, truth, np.ones(len(rows), np.int64), "none", 1, replace(SETTINGS, epochs=2))
    assert np.isfinite(head(rows)).all()
    rows[:, 5] = 8.0
    assert np.abs(head(rows)).max() < 1e3


def test_a_row_that_is_shown_more_often_counts_more() -> None:
    """Two answers for one row: the head sides with the one that it is shown more often."""
    rows, _ = rings(200, 1)
    both, truth = np.concatenate([rows, rows]), np.repeat([True, False], 200)
    for often, side in (((3, 1), 1), ((1, 3), -1)):
        head = train(both, truth, np.repeat(often, 200), "none", 1, replace(SETTINGS, epochs=5))
        assert np.median(side * head(rows)) > 0.5
