"""The errors of the service."""

from __future__ import annotations

from http import HTTPStatus

from cv_engine.errors import EngineError


class ServiceError(EngineError):
    """A request, or a setting of the service, cannot be used.

    Args:
        message: Text for a person.
        status: The status of the answer.
        retry_after_s: Seconds after which the request may be sent again.
    """

    def __init__(
        self,
        message: str,
        status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def http_status(self) -> int:
        """The status of the answer."""
        return int(self.status)


def missing(message: str) -> ServiceError:
    """The error of a thing that does not exist."""
    return ServiceError(message, HTTPStatus.NOT_FOUND)


def forbidden(message: str) -> ServiceError:
    """The error of a request that the person may not send."""
    return ServiceError(message, HTTPStatus.FORBIDDEN)
