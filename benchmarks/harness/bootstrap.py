"""Intervals of figures over clips, by bootstrap (Efron, 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REPEATS = 1000
_SEED = 5


def resampled(count: int) -> NDArray[np.int64]:
    """How often each of some items is drawn, ``(repeats, count)``; the same at every call."""
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(count, np.full(count, 1 / count), size=_REPEATS)


def interval(values: NDArray[np.float64], share: float = 0.95) -> tuple[float, float]:
    """The ends between which a share of the values lies, as much below as above them."""
    low, high = np.percentile(values, (50 * (1 - share), 50 * (1 + share)))
    return float(low), float(high)
