from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cv_engine.cases import Queue, QueueError, open_queue
from cv_engine.cases.database import store as store_module
from cv_engine.errors import Failure
from tests.cases.made import finding

_ROOT = Path(__file__).resolve().parents[3]


def _file_until_refused(queue: Queue) -> tuple[int, str]:
    for number in range(5000):
        try:
            queue.file(finding(number * 1000, number * 1000 + 300, attributes={"a": "x" * 500}))
        except QueueError as error:
            return number, str(error)
    raise AssertionError("the disk did not fill up")


@contextmanager
def _small_disk(pages: int) -> Iterator[None]:
    def limit(connection: Any, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(sa.Pool, "connect", limit)
    try:
        yield
    finally:
        sa.event.remove(sa.Pool, "connect", limit)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    with _small_disk(200), open_queue(path) as queue:
        filed, message = _file_until_refused(queue)
        assert "the disk is full: make room and run it again" in message
        assert str(path) in message
        assert queue.count() == filed > 0
    with open_queue(path) as queue:
        assert queue.count() == filed
        assert queue.file(finding(filed * 1000, filed * 1000 + 300)).outcome == "new"


def test_a_disk_too_full_for_a_new_queue(tmp_path: Path) -> None:
    with _small_disk(3), pytest.raises(QueueError, match="the disk is full") as caught:
        open_queue(tmp_path / "queue.sqlite")
    assert caught.value.failure is Failure.NO_SPACE
    with open_queue(tmp_path / "queue.sqlite") as queue:
        assert queue.count() == 0


_LIMITED = """
import sys
from cv_engine.cases import open_queue
from tests.cases.database.test_db_errors import _file_until_refused
with open_queue(sys.argv[1]) as queue:
    print(*_file_until_refused(queue), sep="\\n")
"""


def test_a_disk_that_refuses_to_write_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    open_queue(path).close()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", _LIMITED, str(path)],
        preexec_fn=limit,
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    filed, message = done.stdout.splitlines()
    assert "the disk" in message
    with open_queue(path) as queue:
        assert queue.count() == int(filed) > 0


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _text(path: Path) -> Path:
    path.write_text("not a database, but long enough to be taken for one\n" * 100)
    return path


def _below_a_file(path: Path) -> Path:
    path.write_text("")
    return path / "queue.sqlite"


def _damaged(path: Path) -> Path:
    open_queue(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_folder, "is a folder: name the queue's file"),
        (_text, "not a SQLite database"),
        (_below_a_file, "the folder for the queue cannot be created"),
        (_damaged, "the file is damaged"),
    ],
)
def test_files_that_are_not_a_queue_are_refused(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(QueueError, match=message):
        open_queue(make(tmp_path / "queue.sqlite"))


@contextmanager
def _without_rights() -> Iterator[None]:
    """Runs as an unprivileged user: no permission restrains root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("mode", "message"), [(0o555, "cannot be written"), (0o000, "cannot be created or entered")]
)
def test_a_folder_without_the_right_to_write(mode: int, message: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cvqueue"))
    folder.chmod(mode)
    try:
        with _without_rights(), pytest.raises(QueueError, match=message):
            open_queue(folder / "queue.sqlite")
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_queue_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    with open_queue(path) as queue:
        queue.file(finding())

    def read_only(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA query_only = ON")

    sa.event.listen(sa.Pool, "connect", read_only)
    try:
        with open_queue(path) as queue, pytest.raises(QueueError, match="cannot be written"):
            queue.file(finding(1000, 2000))
    finally:
        sa.event.remove(sa.Pool, "connect", read_only)


def test_a_queue_that_another_program_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "queue.sqlite"
    with open_queue(path) as queue:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(QueueError, match="another program has held the queue"):
            queue.file(finding())
        holder.execute("ROLLBACK")
        holder.close()
        assert queue.file(finding()).outcome == "new"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:secret@127.0.0.1:1/d", "the server cannot be reached"),
        ("postgresql://u:secret@no.such.host.invalid/d", "the server cannot be reached"),
    ],
)
def test_a_server_that_is_not_there(url: str, message: str) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(QueueError, match=message) as caught:
        open_queue(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there(postgresql: str) -> None:
    with pytest.raises(QueueError, match="no such database"):
        open_queue(postgresql.format("nowhere"))


def test_a_server_that_ends_the_connection(postgresql_url: str) -> None:
    import psycopg

    with open_queue(postgresql_url) as queue:
        queue.file(finding())
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert queue.file(finding()).outcome == "known"  # the queue reconnects
