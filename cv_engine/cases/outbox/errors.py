"""What goes wrong with an outlet: its set-up, and its answers to what it is sent."""

from __future__ import annotations

from cv_engine.cases.errors import QueueError


class OutletError(QueueError):
    """An outlet cannot be used as it is configured, or is not known."""


class RetryLater(Exception):
    """The outlet did not take an event, and may take it later.

    Args:
        reason: What it answered.
        after_s: The least time to wait, where the outlet asked for one, seconds.
    """

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class OutletAway(RetryLater):
    """The outlet takes nothing at present, whatever the event: no connection, or too busy."""


class Refused(Exception):
    """The outlet will never take this event; the text says why."""
