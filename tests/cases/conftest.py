"""Queues on both databases, and findings to file in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.harness.postgresql import NoServerError, Server, server
from cv_engine.cases import Queue, open_queue


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server for the tests; yields the URL with a placeholder for the database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    try:
        # In memory, where pytest has its temporary folders, too: see tests/conftest.py.
        within = os.environ.get("PYTEST_DEBUG_TEMPROOT")
        with server(Path(within) if within else None, fsync="off") as running:
            yield running.url("{}")
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL server that the test may stop and start."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    try:
        with server(fsync="off") as running:
            yield running
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[str]:
    """URL of a new, empty database, which is dropped after the test."""
    import psycopg

    name = f"q{uuid4().hex}"
    with psycopg.connect(postgresql.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield postgresql.format(name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


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
