"""The time of the morning, which all processes share and the benchmark sets."""

from __future__ import annotations

from ctypes import c_double
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that stands still until it is set.

    Attributes:
        seconds: Seconds since 1970, in memory that all processes share.
    """

    seconds: Any

    @classmethod
    def at(cls, context: Any, start: datetime) -> Clock:
        """A clock.

        Args:
            context: The context of ``multiprocessing`` that the processes are of.
            start: The first time.
        """
        return cls(context.Value(c_double, start.timestamp(), lock=False))

    def now(self) -> datetime:
        """The present time."""
        return datetime.fromtimestamp(self.seconds.value, UTC)

    def advance(self, by: timedelta) -> None:
        """Move the time on."""
        self.seconds.value += by.total_seconds()
