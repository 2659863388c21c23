"""What a database's error means to the person at the terminal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa

from cv_engine.cases.database.closing import MOVED
from cv_engine.cases.errors import QueueError
from cv_engine.errors import Failure


class _Advice(NamedTuple):
    text: str
    failure: Failure


def _input(text: str) -> _Advice:
    return _Advice(text, Failure.WRONG_INPUT)


def _away(text: str) -> _Advice:
    return _Advice(text, Failure.UNAVAILABLE)


def _full(text: str) -> _Advice:
    return _Advice(text, Failure.NO_SPACE)


_KEPT = "nothing that was filed before is lost"
_NOT_A_DATABASE = _input("it is not a queue (not a SQLite database): name another file")
_RIGHTS = _input(
    "the file or its folder cannot be written: ask for the right, or choose another --data"
)
_HELD = _away("another program has held the queue for too long: end it and try again")

#: By SQLite's primary result code.
_SQLITE = {
    sqlite3.SQLITE_FULL: _full(f"the disk is full: make room and run it again, {_KEPT}"),
    sqlite3.SQLITE_IOERR: _away(
        f"the disk refused to read or write: check its room and health, {_KEPT}"
    ),
    sqlite3.SQLITE_NOTADB: _NOT_A_DATABASE,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_CORRUPT: _input(
        "the file is damaged: restore it from a backup, or save what is readable with "
        "`sqlite3 FILE .recover`"
    ),
}

#: By PostgreSQL's SQLSTATE, or its first two characters.
_POSTGRESQL = {
    "53100": _full(f"the server's disk is full: make room and run it again, {_KEPT}"),
    "53": _away("the server has no room for another connection or more memory: try again later"),
    "42501": _input("the user may not do this in the database: grant it the right"),
    "25006": _input("the database is read-only: use the primary server"),
    "28": _input("the server refused the user or the password: check the address"),
    "3D": _input("there is no such database: make it with createdb"),
    "40": _away("another program changed the same case at the same time: try again"),
    "55": _away("another program holds the queue: try again"),
    "57": _away(f"the server is stopping or ended the work: try again, {_KEPT}"),
}
_UNREACHABLE = _away("the server cannot be reached: check that it runs, and the address")


@contextmanager
def explain(name: str) -> Iterator[None]:
    """Turn a failure of the database, its disk or its server into a ``QueueError`` with advice.

    A wrong statement or a violated constraint is a bug of the program and is raised unchanged.

    Args:
        name: The database's file or address without password, for the message.
    """
    try:
        yield
    except sqlite3.Error as error:  # raised outside SQLAlchemy's statements
        advice = _advice(error)
        if advice is None:
            raise
        raise QueueError(f"{name}: {advice.text} ({error})", advice.failure) from error
    except sa.exc.TimeoutError as error:
        said = f"{name}: all connections are in use: try again"
        raise QueueError(said, Failure.UNAVAILABLE) from error
    except Exception as error:
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        # The driver's own error, of a prepared statement; psycopg is not always installed.
        ours = original is not error or type(error).__module__.startswith("psycopg")
        advice = _advice(original) if ours and original is not None else None
        if advice is None:
            raise
        detail = str(original).strip().splitlines()
        said = f"{name}: {advice.text} ({detail[0] if detail else original})"
        raise QueueError(said, advice.failure) from error


def _advice(error: BaseException) -> _Advice | None:
    if str(error).startswith(MOVED):
        return _away("the queue is closed")
    if isinstance(error, sqlite3.Error):
        code: int | None = getattr(error, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None:
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    # psycopg gives no SQLSTATE if the server was never reached, or lost.
    return _connection_advice(error) if type(error).__name__ == "OperationalError" else None


def _connection_advice(error: BaseException) -> _Advice:
    text = str(error)
    if "does not exist" in text and "database" in text:
        return _POSTGRESQL["3D"]
    if "authentication failed" in text or "no password supplied" in text:
        return _POSTGRESQL["28"]
    return _UNREACHABLE
