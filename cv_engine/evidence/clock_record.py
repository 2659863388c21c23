"""Keeps the measured errors of each camera's clock: a package says how long it was right."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock

from cv_engine.evidence.clock_error import ClockError, ClockHistory
from cv_engine.evidence.errors import from_os_error
from cv_engine.files import write_atomically

# Courts ask about 14 days; a camera measured each hour for a quarter of a year makes 2200 lines.
_EVERY = timedelta(hours=1)
_KEPT = timedelta(days=92)
# An error that differs by more than this from the last one is kept at once: the clock was set.
_JUMP_S = 0.5
_LOCKED_S = 10.0


class ClockRecord:
    """The measurements of all cameras: a file of JSON lines for each.

    Args:
        folder: The folder of the files; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, camera: str, error: ClockError) -> bool:
        """Keeps a measurement, at most one an hour while the error stays the same.

        Args:
            camera: The camera's name.
            error: What was measured; its time must be known.

        Returns:
            Whether the measurement was kept.

        Raises:
            EvidenceError: The disk cannot be written.
        """
        assert error.at is not None
        path = self._path(camera)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock", timeout=_LOCKED_S):
                known = self._read(camera)
                last = known[-1] if known else None
                if last is not None and last.at is not None:
                    is_soon = error.at - last.at < _EVERY
                    is_same = abs(error.error_s - last.error_s) <= _JUMP_S
                    if error.at <= last.at or (is_soon and is_same):
                        return False
                if known and known[0].at is not None and error.at - known[0].at > 2 * _KEPT:
                    kept = [each for each in known if each.at and error.at - each.at <= _KEPT]
                    write_atomically(path, *(_line(each) for each in kept))
                with path.open("ab") as file:
                    file.write(_line(error))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as problem:  # also a lock that stays taken
            raise from_os_error(problem, self._folder) from problem
        return True

    def history(self, camera: str, until: datetime) -> ClockHistory | None:
        """What is known of a camera's clock, ``None`` where nothing was measured.

        Args:
            camera: The camera's name.
            until: Later measurements are left out, timezone-aware.
        """
        return ClockHistory.of(
            [
                each
                for each in self._read(camera)
                if each.at is not None and timedelta(0) <= until - each.at <= _KEPT
            ]
        )

    def _read(self, camera: str) -> list[ClockError]:
        """The measurements; a line that a power cut left unfinished is left out."""
        try:
            lines = self._path(camera).read_bytes().splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(ClockError.of_json(json.loads(line)))
            except ValueError:
                continue
        return found

    def _path(self, camera: str) -> Path:
        return self._folder / f"{hashlib.sha256(camera.encode()).hexdigest()[:32]}.jsonl"


def _line(error: ClockError) -> bytes:
    return json.dumps(error.as_json()).encode() + b"\n"
