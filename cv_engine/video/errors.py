"""Errors of recordings, and reports on skipped stretches and repairs."""

from __future__ import annotations

from dataclasses import dataclass

from cv_engine.errors import EngineError


class VideoError(EngineError):
    """A recording cannot be used; the message names the file, the defect and the remedy."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A stretch of a recording that could not be read.

    Attributes:
        from_s: Media time of the start, seconds.
        to_s: Media time of the end, seconds: the next readable picture, or the last known time.
        reason: Why the stretch could not be read.
    """

    from_s: float
    to_s: float
    reason: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.from_s:.2f} s to {self.to_s:.2f} s skipped: {self.reason}"


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair of timestamps that made the recording readable.

    Attributes:
        at_s: Media time of the first occurrence, seconds.
        what: The defect and the repair, in words.
        count: Number of packets repaired in this way.
    """

    at_s: float
    what: str
    count: int = 1

    def __str__(self) -> str:
        """One line for people."""
        often = f" ({self.count} times)" if self.count > 1 else ""
        return f"at {self.at_s:.2f} s: {self.what}{often}"
