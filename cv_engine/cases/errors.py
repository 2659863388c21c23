"""The errors of the case queue."""

from __future__ import annotations

from http import HTTPStatus

from cv_engine.errors import EngineError


class QueueError(EngineError):
    """The queue cannot do what was asked; the message says why and what to do."""


class NotFoundError(QueueError):
    """There is no case, finding or package of this name."""

    @property
    def http_status(self) -> int:
        """The status of a request that ends with this error."""
        return HTTPStatus.NOT_FOUND


class ForbiddenError(QueueError):
    """The person's role does not allow what was asked."""

    @property
    def http_status(self) -> int:
        """The status of a request that ends with this error."""
        return HTTPStatus.FORBIDDEN


class ConflictError(QueueError):
    """Somebody else has changed the case since it was read; the message says who, and what."""

    @property
    def http_status(self) -> int:
        """The status of a request that ends with this error."""
        return HTTPStatus.CONFLICT


class NoStepError(QueueError):
    """The process has no such step from the case's state; the message says who brought it there."""

    @property
    def http_status(self) -> int:
        """The status of a request that ends with this error."""
        return HTTPStatus.CONFLICT


class StaleError(Exception):
    """Another transaction has changed what this one has read: it starts again, without effect."""
