"""A PostgreSQL server of one's own, for benchmarks and tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_S = 300  # a busy machine takes its time


class NoServerError(Exception):
    """No PostgreSQL server can be run here; the message says why."""


class Server:
    """A running server, reached by a socket in its folder.

    Args:
        folder: An empty folder.
        settings: Settings in place of the server's defaults.

    Raises:
        NoServerError: PostgreSQL is not installed, or no user may run it.
    """

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder, self._settings = folder, settings
        self._user = _unprivileged()
        if self._user is not None:
            os.chown(folder, self._user, -1)
        self._bin = _programs()
        self._run(
            *(str(self._bin / "initdb"), "-D", self._data, "-U", "cv"),
            *("-A", "trust", "-N", "-E", "UTF8", "--locale=C"),
        )
        self.start()

    def url(self, database: str) -> str:
        """The URL of a database, which need not exist."""
        return f"postgresql://cv@/{database}?host={self._folder}"

    def create(self, database: str) -> str:
        """Create an empty database, and return its URL."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        given = {"listen_addresses": "''", "lc_messages": "C", **self._settings}
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        log = str(self._folder / "log")
        self._control("-o", f"-k {self._folder} {options}", "-l", log, "start")

    def stop(self) -> None:
        """Stop the server at once, as at a power cut."""
        self._control("-m", "immediate", "stop")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _control(self, *arguments: str) -> None:
        waiting = ("-w", "-t", str(_LONGEST_S))
        self._run(str(self._bin / "pg_ctl"), "-D", self._data, *waiting, *arguments)

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            user=self._user,
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            timeout=_LONGEST_S,
        )


@contextmanager
def server(within: Path | None = None, **settings: str) -> Iterator[Server]:
    """A new server in a temporary folder, stopped and removed when the block ends.

    Args:
        within: Where the temporary folder is made; the system's place for such if ``None``.
        **settings: Settings in place of the server's defaults, such as ``fsync="off"``.

    Raises:
        NoServerError: PostgreSQL is not installed, or no user may run it.
    """
    folder = Path(tempfile.mkdtemp(prefix="cvpg", dir=within))
    try:
        running = Server(folder, settings)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (str(found[-1]) if found else None)
    if initdb is None:
        raise NoServerError("no PostgreSQL server is installed")
    return Path(initdb).parent


def _unprivileged() -> int | None:
    """The user to run the server as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):  # codespell:ignore
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise NoServerError("no unprivileged user to run PostgreSQL as")
