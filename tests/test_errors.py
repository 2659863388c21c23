"""What each error is reported as: one base class, one table."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from cv_engine.cases import QueueError
from cv_engine.errors import EngineError, Failure, failure_of, failure_of_os_error
from cv_engine.evidence.errors import ClipError, StoreError, from_os_error
from models.errors import ModelError, ModelUnavailable
from satellite.errors import SatelliteError
from zones.errors import OutOfView, Problem, ZoneError

_PROBLEM = Problem("a.json", "is empty", "draw one")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (QueueError("no case 7"), Failure.WRONG_INPUT),
        (QueueError("the server is away", Failure.UNAVAILABLE), Failure.UNAVAILABLE),
        (ClipError("no picture"), Failure.WRONG_INPUT),
        (StoreError("does not answer"), Failure.UNAVAILABLE),
        (StoreError("no such bucket", Failure.WRONG_INPUT), Failure.WRONG_INPUT),
        (SatelliteError("no raster"), Failure.WRONG_INPUT),
        (ModelError("no model"), Failure.WRONG_INPUT),
        (ModelUnavailable("no source"), Failure.UNAVAILABLE),
        (ZoneError(_PROBLEM), Failure.WRONG_INPUT),
        (OutOfView(_PROBLEM), Failure.WRONG_INPUT),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.mp4"), Failure.WRONG_INPUT),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), Failure.NO_SPACE),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Failure.UNAVAILABLE),
        (OSError("without a number"), None),
        (ValueError("a bug"), None),
        (KeyError("a bug"), None),
    ],
)
def test_the_failure_of_an_error(error: Exception, failure: Failure | None) -> None:
    assert failure_of(error) is failure


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.ENOSPC, Failure.NO_SPACE),
        (errno.EDQUOT, Failure.NO_SPACE),
        (errno.EFBIG, Failure.NO_SPACE),
        (errno.EACCES, Failure.WRONG_INPUT),
        (errno.ENOTDIR, Failure.WRONG_INPUT),
        (errno.EIO, Failure.UNAVAILABLE),
        (errno.ENETUNREACH, Failure.UNAVAILABLE),
        (None, Failure.UNAVAILABLE),
    ],
)
def test_the_failure_of_what_the_system_refuses(number: int | None, failure: Failure) -> None:
    assert failure_of_os_error(OSError(number, "refused")) is failure


@pytest.mark.parametrize(
    ("failure", "exit_code", "http_status"),
    [
        (Failure.WRONG_INPUT, 2, 422),
        (Failure.UNAVAILABLE, 1, 503),
        (Failure.NO_SPACE, 1, 507),
    ],
)
def test_an_error_has_the_codes_of_its_failure(
    failure: Failure, exit_code: int, http_status: int
) -> None:
    error = EngineError("text", failure)
    assert (error.exit_code, error.http_status) == (exit_code, http_status)
    assert str(error) == "text"


def test_an_error_is_a_value_error_wherever_it_is_caught() -> None:
    with pytest.raises(ValueError, match="no case 7"):
        raise QueueError("no case 7")


def test_a_worker_process_hands_the_failure_on() -> None:
    error = pickle.loads(pickle.dumps(StoreError("refused", Failure.WRONG_INPUT)))
    assert (str(error), failure_of(error)) == ("refused", Failure.WRONG_INPUT)


def test_a_full_disk_under_evidence_is_no_wrong_input() -> None:
    error = from_os_error(OSError(errno.ENOSPC, "No space left on device"), Path("/data"))
    assert failure_of(error) is Failure.NO_SPACE
