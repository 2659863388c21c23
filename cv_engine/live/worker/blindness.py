"""When a camera has shown nothing useful for so long that a person should check the camera."""

from __future__ import annotations

from typing import Any, Literal

from cv_engine.pipeline.filing import CAMERA_BLIND
from cv_engine.rules.stays import Violation

_ZONE = "camera"


class Blindness:
    """Watches for one camera that shows nothing useful.

    Args:
        limit_s: Seconds after which that is a case.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._began: float | None = None
        self._reported: Violation | None = None

    def update(
        self, now_s: float, reason: str, frame: tuple[float, float, float, float]
    ) -> tuple[Literal["file", "leave"], Violation] | None:
        """Takes in the camera's present condition.

        Args:
            now_s: The present time, seconds.
            reason: Why nothing useful is seen; empty where all is well.
            frame: The whole picture as a box, pixels.

        Returns:
            What is to be done: once when the limit is reached, once when all is well again.
        """
        if not reason:
            return self._end(now_s)
        if self._began is None:
            self._began = now_s
        if self._reported is not None or now_s - self._began < self._limit_s:
            return None
        self._reported = Violation(
            CAMERA_BLIND, _ZONE, 0, frame, self._began, now_s, 1.0, {"reason": reason}
        )
        return "file", self._reported

    def _end(self, now_s: float) -> tuple[Literal["leave"], Violation] | None:
        reported, self._began, self._reported = self._reported, None, None
        if reported is None:
            return None
        return "leave", Violation(
            reported.kind, reported.zone, 0, reported.box, reported.began, now_s, 1.0
        )

    def state(self) -> dict[str, Any]:
        """All that is remembered, see `restore`."""
        return {"began": self._began, "reported": self._reported}

    def restore(self, state: dict[str, Any]) -> None:
        """Resumes from the state of an earlier run."""
        self._began, self._reported = state["began"], state["reported"]
