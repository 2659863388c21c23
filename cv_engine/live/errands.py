"""What has to be done with findings, in order, and again where it did not succeed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import structlog

from cv_engine.cases import QueueError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.rules.rule import Violation
from cv_engine.video.faults import VideoError

Errand = Literal["file", "leave", "forget"]

# Pause before anything is tried again after a failure, seconds: a database or disk that is away
# comes back in minutes, not in seconds.
_AGAIN_S = 5.0


class Errands:
    """The errands of one camera.

    Args:
        waiting: Those that an earlier run left.
    """

    def __init__(self, waiting: Sequence[tuple[Errand, Violation]] = ()) -> None:
        self._waiting = list(waiting)
        self._next_s = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> list[tuple[Errand, Violation]]:
        """Those that are still to be done, in order."""
        return list(self._waiting)

    @property
    def to_file(self) -> list[Violation]:
        """The stays that are still to be filed."""
        return [violation for errand, violation in self._waiting if errand == "file"]

    def add(self, errand: Errand, violation: Violation) -> None:
        """Adds one to the end."""
        self._waiting.append((errand, violation))

    def run(self, now_s: float, do: Callable[[Errand, Violation], None]) -> bool:
        """Does the first one, unless one has failed a moment ago.

        What fails goes to the end, and with it whatever else concerns the same thing: it cannot
        leave before it was filed.

        Args:
            now_s: The present time, seconds.
            do: Does one errand; it has failed if this raises one of the expected errors.

        Returns:
            Whether one was done.
        """
        if not self._waiting or now_s < self._next_s:
            return False
        errand, violation = self._waiting[0]
        try:
            do(errand, violation)
        except (QueueError, EvidenceError, VideoError, OSError) as error:
            structlog.get_logger(__name__).warning(
                "not filed yet, will be tried again", kind=violation.kind, reason=str(error)
            )
            same = [entry for entry in self._waiting if thing_of(entry[1]) == thing_of(violation)]
            self._waiting = [entry for entry in self._waiting if entry not in same] + same
            self._next_s = now_s + _AGAIN_S
            return False
        del self._waiting[0]
        return True


def thing_of(violation: Violation) -> tuple[str, str, int]:
    """What a violation is about: its kind, its zone and the number of the thing."""
    return violation.kind, violation.zone, violation.thing
