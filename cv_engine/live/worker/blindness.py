"""When a camera has shown nothing useful for so long that a person should check the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cv_engine.finding import CAMERA_BLIND, LIMIT
from cv_engine.rules.stays import Violation

_ZONE = "camera"


@dataclass(slots=True)
class BlindnessState:
    """Since when a camera has shown nothing useful.

    Attributes:
        began: Since when, seconds; ``None`` while all is well.
        reported: What was reported of it.
        reason: Why nothing useful was seen last.
    """

    began: float | None = None
    reported: Violation | None = None
    reason: str = ""


class Blindness:
    """Watches for one camera that shows nothing useful.

    Args:
        limit_s: Seconds after which that is a case.

    Attributes:
        state: All that is remembered, for a checkpoint.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.state = BlindnessState()

    def update(
        self,
        now_s: float,
        reason: str,
        frame: tuple[float, float, float, float],
        sampled_s: float,
    ) -> tuple[Literal["file", "leave"], Violation] | None:
        """Takes in the camera's present condition.

        Args:
            now_s: The present time, seconds.
            reason: Why nothing useful is seen; empty where all is well.
            frame: The whole picture as a box, pixels.
            sampled_s: Time of the last sample, seconds: without a new one, nothing is well again. A
                stream may come back again and again, and break off before a sample.

        Returns:
            What is to be done: once when the limit is reached, once when all is well again.
        """
        began = self.state.began
        if not reason and (began is None or sampled_s >= began):
            return self._end(now_s)
        if began is None:
            self.state.began = began = now_s
        self.state.reason = reason or self.state.reason
        if self.state.reported is not None or now_s - began < self._limit_s:
            return None
        self.state.reported = Violation(
            *(CAMERA_BLIND, _ZONE, 0, frame, began, now_s, 1.0),
            {"reason": self.state.reason, LIMIT: self._limit_s},
        )
        return "file", self.state.reported

    def _end(self, now_s: float) -> tuple[Literal["leave"], Violation] | None:
        reported, self.state = self.state.reported, BlindnessState()
        if reported is None:
            return None
        return "leave", Violation(
            reported.kind, reported.zone, 0, reported.box, reported.began, now_s, 1.0
        )
