"""Back-off: how long to wait before something is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

# 2 to this power times any first pause is longer than every longest pause; more would overflow.
_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter.

    Attributes:
        first_s: The pause after the first failure, seconds; each later one is twice as long.
        longest_s: The longest pause, seconds.
    """

    first_s: float
    longest_s: float

    def pause_s(self, failures: int, rng: random.Random) -> float:
        """The pause after a number of failures in a row, seconds.

        Half of the pause is random, so that what failed together is not tried again together
        (equal jitter: M. Brooker, "Exponential Backoff and Jitter", AWS 2015).

        Args:
            failures: Number of failures, from 1.
            rng: Source of the jitter.
        """
        doublings = min(max(failures, 1) - 1, _MOST_DOUBLINGS)
        pause_s = min(self.first_s * 2.0**doublings, self.longest_s)
        return pause_s * (0.5 + 0.5 * rng.random())
