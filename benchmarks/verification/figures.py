"""What is measured of judgements: how well they separate, and whether they are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

_BINS = 10


def auc(score: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Probability that a thing scores higher than what is none (area under the ROC curve)."""
    things, others = int(truth.sum()), int((~truth).sum())
    if not things or not others:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[truth].sum() - things * (things + 1) / 2) / (things * others))


def summary(score: NDArray[Any], truth: NDArray[np.bool_]) -> dict[str, float]:
    """AUC, and precision and recall at a logit of 0, which is a probability of one half."""
    said = score > 0
    right = float((said & truth).sum())
    return {
        "auc": round(auc(score, truth), 4),
        "precision": round(right / max(1.0, float(said.sum())), 4),
        "recall": round(right / max(1.0, float(truth.sum())), 4),
    }


def false_shares(score: NDArray[Any], kinds: Sequence[str]) -> dict[str, float]:
    """Share of each kind of what is no thing that is called one."""
    names = np.array(kinds)
    found = sorted(set(kinds) - {"thing"})
    return {kind: round(float((score[names == kind] > 0).mean()), 3) for kind in found}


def reliability(
    score: NDArray[Any], truth: NDArray[np.bool_]
) -> list[tuple[float, float, float, int]]:
    """Rows of the reliability table, for ten bins of equal width that are not empty.

    Returns:
        For each bin: its lower end, the mean probability, the share of things, and the count.
    """
    given = 1 / (1 + np.exp(-np.asarray(score, np.float64)))
    bins = np.minimum((given * _BINS).astype(int), _BINS - 1)
    rows = []
    for index in range(_BINS):
        chosen = bins == index
        if chosen.any():
            mean, share = float(given[chosen].mean()), float(truth[chosen].mean())
            rows.append((index / _BINS, mean, share, int(chosen.sum())))
    return rows
