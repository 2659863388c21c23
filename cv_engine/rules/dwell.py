"""How long something has stayed in a zone: a pure state machine on media time.

A function of (state, time, presence): no clock, no frame counts, so that the same observations
give the same dwell in a batch run, live and in a replay, at any interval between samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """The phases of a dwell: ``OUT`` to ``IN`` to ``DUE`` and back to ``OUT``."""

    OUT = "out"
    IN = "in"
    DUE = "due"


class Event(StrEnum):
    """What one observation brought about."""

    DUE = "due"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is too long, seconds.

    Attributes:
        dwell_s: Stay from which it is a violation.
        gap_s: Absence that does not interrupt a stay: occlusion, missed detections.
    """

    dwell_s: float
    gap_s: float

    def __post_init__(self) -> None:
        if not self.dwell_s > 0:
            raise ValueError(f"dwell_s is {self.dwell_s}: it must be more than 0 seconds")
        if not self.gap_s >= 0:
            raise ValueError(f"gap_s is {self.gap_s}: it must be 0 seconds or more")


@dataclass(frozen=True, slots=True)
class Dwell:
    """One stay.

    Attributes:
        phase: Phase of the stay.
        began: When the stay began, seconds; meaningless while out.
        seen: When the thing was last seen inside, seconds.
        unwatched_s: Time since then without samples.
    """

    phase: Phase = Phase.OUT
    began: float = 0.0
    seen: float = 0.0
    unwatched_s: float = 0.0

    def skip(self, gap_s: float) -> Dwell:
        """The stay after ``gap_s`` seconds without samples.

        A gap is no absence, and no presence either: a stay reaches its limit no sooner than the
        thing is seen again, and a thing that is not seen again was last seen before the gap.
        """
        if self.phase is Phase.OUT:
            return self
        return replace(self, unwatched_s=self.unwatched_s + gap_s)

    def step(
        self, limits: Limits, time_s: float, present: bool, since: float | None = None
    ) -> tuple[Dwell, Event | None]:
        """The stay after one more observation.

        Args:
            limits: How long is too long.
            time_s: Time of the observation; not earlier than the last one.
            present: Whether the thing was in the zone then, while the zone's schedule ran.
            since: Since when the thing has stood at its place, where known; later than the
                last observation, the thing has moved meanwhile: a stay below the limit starts
                again, and one that had reached it is over if there was a gap.

        Returns:
            The new state, and ``DUE`` once when the stay reaches the limit or ``ENDED`` once
            when a stay that had reached it is over.
        """
        if present:
            return self._stay(limits, time_s, since)
        if self.phase is not Phase.OUT and self._is_over(limits, time_s):
            return Dwell(), Event.ENDED if self.phase is Phase.DUE else None
        return self, None

    def _stay(
        self, limits: Limits, time_s: float, since: float | None
    ) -> tuple[Dwell, Event | None]:
        moved = since is not None and since > self.seen
        if self.phase is Phase.DUE:
            # Back after too long: this stay is over, the next observation starts another.
            if self._is_over(limits, time_s) or (moved and self.unwatched_s > 0):
                return Dwell(), Event.ENDED
            return Dwell(Phase.DUE, self.began, time_s), None
        began = time_s if since is None else min(since, time_s)
        if self.phase is Phase.IN and not self._is_over(limits, time_s) and not moved:
            began = self.began
        if time_s - began >= limits.dwell_s:
            return Dwell(Phase.DUE, began, time_s), Event.DUE
        return Dwell(Phase.IN, began, time_s), None

    def _is_over(self, limits: Limits, time_s: float) -> bool:
        """Whether the thing has been away for too long, gaps left out."""
        return time_s - self.seen - self.unwatched_s > limits.gap_s
