"""A circuit breaker: after several failures in a row a service is left alone for a while.

M. T. Nygard, "Release It!", 2nd edition, 2018, chapter 5. The time is passed in, and no lock is
held while a request runs; the libraries for Python read the clock themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Breaker:
    """Closed: requests pass. Open: none. After a pause one request tries the service.

    Args:
        failures: Failures in a row that open it.
        pause_s: Seconds for which it stays open; each failed trial begins another pause.
        clock: Returns steady seconds.
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float]) -> None:
        self._most, self._pause_s, self._clock = failures, pause_s, clock
        self._lock = Lock()
        self._failures = 0
        self._opened_at = 0.0

    def wait_s(self) -> float:
        """Seconds until the next request may pass; 0.0: the caller's request passes now.

        Of several callers at the end of a pause one is let through; it must report
        :meth:`succeeded` or :meth:`failed`.
        """
        with self._lock:
            if self._failures < self._most:
                return 0.0
            left_s = self._opened_at + self._pause_s - self._clock()
            if left_s <= 0.0:
                self._opened_at = self._clock()  # the others wait for the result of this one
                return 0.0
            return left_s

    def succeeded(self) -> None:
        """Note that a request was answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Note that a request was not answered."""
        with self._lock:
            self._failures += 1
            self._opened_at = self._clock()
