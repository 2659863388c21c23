"""Queues on both databases, and findings to file in them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from cv_engine.cases import Queue, open_queue

_LONGEST_S = 300  # a busy machine takes its time


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server for the tests; yields the URL with a placeholder for the database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (str(found[-1]) if found else None)
    if initdb is None:
        pytest.skip("no PostgreSQL server is installed")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="cvpg"))
    if user is not None:
        os.chown(folder, user, -1)
    data, ctl = folder / "data", str(Path(initdb).with_name("pg_ctl"))

    def run(*command: str) -> None:
        subprocess.run(
            command,
            user=user,
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=_LONGEST_S,
        )

    try:
        run(initdb, "-D", str(data), "-U", "cv", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c lc_messages=C"
        waiting = ("-w", "-t", str(_LONGEST_S))
        run(ctl, "-D", str(data), "-o", options, "-l", str(folder / "log"), *waiting, "start")
        try:
            yield f"postgresql://cv@/{{}}?host={folder}"
        finally:
            run(ctl, "-D", str(data), "-m", "immediate", *waiting, "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> int | None:
    """The user to run the server as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):  # codespell:ignore
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("no unprivileged user to run PostgreSQL as")


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """URL of a new, empty database."""
    import psycopg

    name = f"q{uuid4().hex}"
    with psycopg.connect(postgresql.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgresql.format(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a queue that does not exist yet, on either database."""
    if request.param == "sqlite":
        return str(tmp_path / "new" / "queue.sqlite")
    url = request.getfixturevalue("postgresql_url")
    assert isinstance(url, str)
    return url


@pytest.fixture
def queue(where: str) -> Iterator[Queue]:
    """An empty queue on either database, with a clock that advances by a second at each reading."""
    from datetime import timedelta

    from tests.cases.made import at

    ticks = count()
    with open_queue(where, clock=lambda: at(10_000) + timedelta(seconds=next(ticks))) as opened:
        yield opened
