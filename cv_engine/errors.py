"""The base class of errors that a person can act on, and what a shell and an HTTP client get."""

from __future__ import annotations

import errno
from enum import Enum
from typing import Final

from models.errors import ModelError, ModelUnavailable
from zones.errors import ZoneError


class Failure(Enum):
    """The kinds of failure, each with the exit code and the HTTP status that it is reported by.

    Attributes:
        exit_code: Of a command: 1 where something failed, 2 where the input is wrong.
        http_status: Of a request.
    """

    WRONG_INPUT = 2, 422
    UNAVAILABLE = 1, 503  # a store, database, network or device that does not work now
    NO_SPACE = 1, 507  # a disk that is full, or its quota used up

    def __init__(self, exit_code: int, http_status: int) -> None:
        self.exit_code = exit_code
        self.http_status = http_status


class EngineError(ValueError):
    """What was asked cannot be done; the message says what is wrong, where, and what to do.

    Each package has a subclass of its own.

    Args:
        message: Text for a person.
        failure: The kind of failure; that of the class if left out.
    """

    failure: Failure = Failure.WRONG_INPUT

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        if failure is not None:
            self.failure = failure

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with this error."""
        return self.failure.exit_code

    @property
    def http_status(self) -> int:
        """The status of a request that ends with this error."""
        return self.failure.http_status


#: Errors of packages that import nothing of this one, subclasses included.
_OTHER_PACKAGES: Final[dict[type[BaseException], Failure]] = {
    ModelError: Failure.WRONG_INPUT,
    ModelUnavailable: Failure.UNAVAILABLE,
    ZoneError: Failure.WRONG_INPUT,
}

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WRONG_PATH: Final = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)


def is_no_space(error: OSError) -> bool:
    """Whether the disk is full, its quota used up, or a file as large as it may be."""
    return error.errno in _NO_SPACE


def failure_of_os_error(error: OSError) -> Failure:
    """Return the kind of failure of what the operating system refused."""
    if is_no_space(error):
        return Failure.NO_SPACE
    return Failure.WRONG_INPUT if error.errno in _WRONG_PATH else Failure.UNAVAILABLE


def failure_of(error: BaseException) -> Failure | None:
    """Return the kind of failure of an error, ``None`` for one that only a bug can cause."""
    if isinstance(error, EngineError):
        return error.failure
    if isinstance(error, OSError) and error.errno is not None:
        return failure_of_os_error(error)
    known = (_OTHER_PACKAGES[each] for each in type(error).__mro__ if each in _OTHER_PACKAGES)
    return next(known, None)
