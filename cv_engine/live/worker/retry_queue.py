"""What has to be done with findings, in order, and again where it did not succeed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import structlog

from cv_engine.cases import QueueError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.rules.stays import Violation
from cv_engine.video.errors import VideoError

Errand = Literal["file", "leave", "forget"]
Entry = tuple[Errand, Violation]

# What may go wrong with an errand and be over when it is tried again.
PASSING = (QueueError, EvidenceError, VideoError, OSError)
# Pause before anything is tried again after a failure, seconds: a database or disk that is away
# comes back in minutes, not in seconds.
_AGAIN_S = 5.0


class Errands:
    """The errands of one camera, of which one at a time is done.

    Args:
        waiting: Those that an earlier run left.
    """

    def __init__(self, waiting: Sequence[Entry] = ()) -> None:
        self._waiting = list(waiting)
        self._next_s = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> list[Entry]:
        """Those that are not done yet, in order."""
        return list(self._waiting)

    @property
    def to_file(self) -> list[Violation]:
        """The stays that are still to be filed."""
        return [violation for errand, violation in self._waiting if errand == "file"]

    def add(self, errand: Errand, violation: Violation) -> None:
        """Adds one to the end."""
        self._waiting.append((errand, violation))

    def next(self, now_s: float) -> Entry | None:
        """The first one, unless one has failed a moment ago; call `done` or `failed` for it.

        Args:
            now_s: The present time, seconds.
        """
        return self._waiting[0] if self._waiting and now_s >= self._next_s else None

    def done(self, entry: Entry) -> None:
        """Takes one off."""
        self._waiting.remove(entry)

    def failed(self, entry: Entry, now_s: float, reason: str) -> None:
        """Puts one off, and with it whatever else concerns the same thing.

        It cannot leave before it was filed; others need not wait for it.
        """
        structlog.get_logger(__name__).warning(
            "not filed yet, will be tried again", kind=entry[1].kind, reason=reason
        )
        thing = thing_of(entry[1])
        same = [other for other in self._waiting if thing_of(other[1]) == thing]
        self._waiting = [other for other in self._waiting if other not in same] + same
        self._next_s = now_s + _AGAIN_S


def thing_of(violation: Violation) -> tuple[str, str, int]:
    """What a violation is about: its kind, its zone and the number of the thing."""
    return violation.kind, violation.zone, violation.thing
