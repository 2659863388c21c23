"""What can be wrong with a recording, as values that a user can be told."""

from __future__ import annotations

from dataclasses import dataclass

from cv_engine.errors import EngineError


class VideoError(EngineError):
    """A recording cannot be used; the message says which, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A stretch of a recording that could not be looked at.

    Attributes:
        from_s: Media time of its start, seconds.
        to_s: Media time of its end, seconds: the next readable picture, or the last known time.
        reason: What was wrong there.
    """

    from_s: float
    to_s: float
    reason: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.from_s:.2f} s to {self.to_s:.2f} s skipped: {self.reason}"


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that was put right so that the recording could be read.

    Attributes:
        at_s: Media time of the first place, seconds.
        what: What was wrong and what was done, in words.
        count: How many packets were put right in the same way.
    """

    at_s: float
    what: str
    count: int = 1

    def __str__(self) -> str:
        """One line for people."""
        often = f" ({self.count} times)" if self.count > 1 else ""
        return f"at {self.at_s:.2f} s: {self.what}{often}"
