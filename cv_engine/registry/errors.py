"""The errors of the registries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cv_engine.errors import EngineError, Failure
from zones.errors import Problem


class RegistryError(EngineError):
    """The registries cannot do what was asked; the message says why and what to do."""


class RegistryUnavailable(RegistryError):
    """A table or the service does not answer now; the same question may be answered later."""

    failure = Failure.UNAVAILABLE


class ImportRefused(RegistryError):
    """A file has errors, and nothing of it was imported.

    Attributes:
        problems: The first problems in the order of the file; the message has them all.
        count: Number of problems of the whole file.
    """

    def __init__(self, problems: Sequence[Problem], count: int) -> None:
        self.problems = tuple(problems)
        self.count = count
        lines = [str(problem) for problem in self.problems]
        if count > len(lines):
            lines.append(
                f"{count - len(lines)} more problems; `cv-engine registry check` lists them all"
            )
        super().__init__("\n".join(lines))


@contextmanager
def explain(path: Path) -> Iterator[None]:
    """Turn a failure of a table's file into a ``RegistryError`` with advice.

    Args:
        path: The file, for the message.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            said = f"{path}: the disk is full: make room and run it again; the table before serves"
            raise RegistryError(said, Failure.NO_SPACE) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise RegistryUnavailable(
                f"{path}: the table is damaged ({error}): import its file again"
            ) from error
        raise RegistryUnavailable(
            f"{path}: the table cannot be read or written ({error}): check the disk and the rights"
        ) from error
