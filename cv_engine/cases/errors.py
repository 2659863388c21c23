"""The error of the case queue."""

from __future__ import annotations

from cv_engine.errors import EngineError


class QueueError(EngineError):
    """The queue cannot do what was asked; the message says why and what to do."""
