"""Errors of evidence; each message says what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from cv_engine.errors import EngineError, Failure, failure_of_os_error, is_no_space

_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class EvidenceError(EngineError):
    """Evidence cannot be made, kept or read; the message says what to do."""


class ClipError(EvidenceError):
    """The source yields no clip: the file is unreadable, or has no picture in the span."""


class StoreError(EvidenceError):
    """The store does not answer, or refuses; packages meant for it have to wait."""

    failure = Failure.UNAVAILABLE


class AuthorityError(EvidenceError):
    """A timestamping authority does not answer, or refuses; packages have to wait for it."""

    failure = Failure.UNAVAILABLE


def from_os_error(error: OSError, folder: Path) -> EvidenceError:
    """Explains to the user why ``folder`` could not be written.

    Args:
        error: The operating system's error.
        folder: The folder that was being written to.

    Returns:
        The error to raise instead.
    """
    failure = failure_of_os_error(error)
    if is_no_space(error):
        return EvidenceError(
            f"{folder}: the disk is full or its quota used up ({error.strerror}); free some space "
            "or choose another data folder; no half-written package was left behind",
            failure,
        )
    if error.errno in _CLOSED:
        return EvidenceError(
            f"{folder}: cannot be written ({error.strerror}); give this user write permission or "
            "choose another data folder",
            failure,
        )
    return EvidenceError(f"{folder}: evidence could not be written: {error}", failure)
