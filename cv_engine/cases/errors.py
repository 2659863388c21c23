"""The errors of the case queue."""

from __future__ import annotations

from cv_engine.errors import EngineError


class QueueError(EngineError):
    """The queue cannot do what was asked; the message says why and what to do."""


class ForbiddenError(QueueError):
    """The person's role does not allow what was asked."""


class ConflictError(QueueError):
    """Somebody else has changed the case since it was read; the message says who, and what."""


class StaleError(Exception):
    """Another transaction has changed what this one has read: it starts again, without effect."""
