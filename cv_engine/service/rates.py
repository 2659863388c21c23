"""Rate limits: how often somebody may ask."""

from __future__ import annotations

import time
from enum import Enum
from http import HTTPStatus

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from cv_engine.service.errors import ServiceError


class Rate(Enum):
    """A limit, each counted by itself."""

    LOG_IN = RateLimitItemPerMinute(30, namespace="log-in")  # of one address: an office's shift
    REFUSED = RateLimitItemPerMinute(60, namespace="refused")  # of one address: who guesses tokens
    REPORTS = RateLimitItemPerMinute(60, namespace="reports")  # of one address: an app's server
    # Of one person or token: a case a second with all its pictures, and a map that is dragged.
    REQUESTS = RateLimitItemPerMinute(3000, namespace="requests")


class Rates:
    """Counts requests, in the memory of this process."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, rate: Rate, who: str) -> None:
        """Count a request.

        Raises:
            ServiceError: There were too many in the last minute.
        """
        if not self._limiter.hit(rate.value, who):
            raise self._too_many(rate.value, who)

    def check(self, rate: Rate, who: str) -> None:
        """Refuse a request where there were too many, without counting it.

        Raises:
            ServiceError: There were too many in the last minute.
        """
        if not self._limiter.test(rate.value, who):
            raise self._too_many(rate.value, who)

    def _too_many(self, item: RateLimitItem, who: str) -> ServiceError:
        reset = self._limiter.get_window_stats(item, who).reset_time
        return ServiceError(
            f"too many requests: at most {item.amount} a minute; wait, and send them more slowly",
            HTTPStatus.TOO_MANY_REQUESTS,
            max(1.0, reset - time.time()),  # by the clock that the library counts with
        )
