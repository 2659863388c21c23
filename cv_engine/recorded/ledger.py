"""Which recordings are done, so that a run that was stopped resumes where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cv_engine.errors import failure_of_os_error, is_no_space
from cv_engine.files import remove_partials, write_atomically
from cv_engine.recorded.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a recording.

    Attributes:
        cases: Numbers of the cases.
        seen_s: Media time of the last sample, seconds.
        length_s: Length of the recording, media seconds.
    """

    cases: tuple[int, ...]
    seen_s: float
    length_s: float


class Ledger:
    """The recordings that were analysed to the end, one small file each.

    Args:
        folder: Folder of the files; made where it is missing.

    Raises:
        LedgerError: The folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_partials(folder)
        except OSError as error:
            raise _explained(error, folder.parent) from error
        self._folder = folder

    def done(self, key: str) -> Done | None:
        """The result of a recording, ``None`` where it is not done."""
        try:
            entry = json.loads(self._path(key).read_text(encoding="utf-8"))
            cases = tuple(int(case) for case in entry["cases"])
            return Done(cases, float(entry["seen_s"]), float(entry["length_s"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self, key: str, video: str, done: Done) -> None:
        """Records that a recording is done, whole or not at all.

        Raises:
            LedgerError: The note cannot be written.
        """
        entry = {
            "video": video,
            "cases": list(done.cases),
            "seen_s": done.seen_s,
            "length_s": done.length_s,
        }
        try:
            write_atomically(self._path(key), json.dumps(entry).encode())
        except OSError as error:
            raise _explained(error, self._folder) from error

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _explained(error: OSError, folder: Path) -> LedgerError:
    if is_no_space(error):
        return LedgerError(
            f"{folder}: the disk is full or its quota used up ({error.strerror}); free some space "
            "and run the same command again: it resumes where it stopped, nothing filed is lost",
            failure_of_os_error(error),
        )
    return LedgerError(
        f"{folder}: the data folder cannot be written ({error.strerror}); choose another with "
        "--data, or give this user the right to write there",
        failure_of_os_error(error),
    )
