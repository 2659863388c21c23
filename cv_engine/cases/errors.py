"""The error of the case queue."""

from __future__ import annotations


class QueueError(ValueError):
    """The queue cannot do what was asked; the message says why and what to do about it."""
