"""How long something has stayed in a zone: a pure state machine on media time.

A function of (state, time, presence): no clock, no frame counts, so that the same observations
give the same dwell in a batch run, live and in a replay, at any interval between looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a dwell is: ``OUT`` to ``IN`` to ``DUE`` and back to ``OUT``."""

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
        phase: Where it is.
        began: When the stay began, seconds; meaningless while out.
        seen: When it was last seen inside.
    """

    phase: Phase = Phase.OUT
    began: float = 0.0
    seen: float = 0.0

    def step(
        self, limits: Limits, time_s: float, present: bool, since: float | None = None
    ) -> tuple[Dwell, Event | None]:
        """The stay after one more observation.

        Args:
            limits: How long is too long.
            time_s: When it was observed; not earlier than the last observation.
            present: Whether it was in the zone then, while the zone's schedule ran.
            since: Since when it has stood where it stands, where that is known; later than the
                last observation, it has moved meanwhile and a stay below the limit begins anew.

        Returns:
            The new state, and ``DUE`` once when the stay reaches the limit or ``ENDED`` once
            when a stay that had reached it is over.
        """
        if present:
            return self._stay(limits, time_s, since)
        if self.phase is not Phase.OUT and time_s - self.seen > limits.gap_s:
            return Dwell(), Event.ENDED if self.phase is Phase.DUE else None
        return self, None

    def _stay(
        self, limits: Limits, time_s: float, since: float | None
    ) -> tuple[Dwell, Event | None]:
        if self.phase is Phase.DUE and time_s - self.seen <= limits.gap_s:
            return Dwell(Phase.DUE, self.began, time_s), None
        if self.phase is Phase.DUE:
            # Back after too long: this stay is over, the next observation starts another.
            return Dwell(), Event.ENDED
        began = time_s if since is None else min(since, time_s)
        if self._continues(limits, time_s) and (since is None or since <= self.seen):
            began = self.began
        if time_s - began >= limits.dwell_s:
            return Dwell(Phase.DUE, began, time_s), Event.DUE
        return Dwell(Phase.IN, began, time_s), None

    def _continues(self, limits: Limits, time_s: float) -> bool:
        return self.phase is Phase.IN and time_s - self.seen <= limits.gap_s
