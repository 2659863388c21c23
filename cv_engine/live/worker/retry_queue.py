"""What has to be done with findings: in order, and again after a failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import structlog

from cv_engine.cases import QueueError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.pipeline.filing import thing_of
from cv_engine.rules.stays import Violation
from cv_engine.video.errors import VideoError

Action = Literal["file", "leave", "forget"]
Task = tuple[Action, Violation]

# Errors of a task that may be over when the task is retried.
PASSING = (QueueError, EvidenceError, VideoError, OSError)
# Pause before anything is retried after a failure, seconds: a database or disk that is away comes
# back in minutes, not in seconds.
_RETRY_S = 5.0


class RetryQueue:
    """The tasks of one camera, done one at a time.

    Args:
        waiting: Tasks that an earlier run left.
    """

    def __init__(self, waiting: Sequence[Task] = ()) -> None:
        self._waiting = list(waiting)
        self._next_s = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> list[Task]:
        """The tasks that are not done yet, in order."""
        return list(self._waiting)

    @property
    def to_file(self) -> list[Violation]:
        """The stays that are still to be filed."""
        return [violation for action, violation in self._waiting if action == "file"]

    def add(self, action: Action, violation: Violation) -> None:
        """Adds a task to the end."""
        self._waiting.append((action, violation))

    def next(self, now_s: float) -> Task | None:
        """The first task, unless one failed a moment ago; call `done` or `failed` for it.

        Args:
            now_s: The present time, seconds.
        """
        return self._waiting[0] if self._waiting and now_s >= self._next_s else None

    def done(self, task: Task) -> None:
        """Removes a task."""
        self._waiting.remove(task)

    def failed(self, task: Task, now_s: float, reason: str) -> None:
        """Moves a task to the end, and with it all other tasks of the same thing.

        A thing cannot leave before it was filed; tasks of other things need not wait.
        """
        structlog.get_logger(__name__).warning(
            "not filed yet, will be retried", kind=task[1].kind, reason=reason
        )
        thing = thing_of(task[1])
        same = [other for other in self._waiting if thing_of(other[1]) == thing]
        self._waiting = [other for other in self._waiting if other not in same] + same
        self._next_s = now_s + _RETRY_S
