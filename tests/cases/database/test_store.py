from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cv_engine.cases import QueueError, open_queue
from cv_engine.cases.database.account_tables import metadata
from cv_engine.cases.database.store import SCHEMA, VERSION_TABLE, Store
from tests.cases.made import finding

_OURS = {"cases", "findings", "history"}


#: Indexes that reflection cannot compare, and the table that only SQLite has.
_OF_EXPRESSIONS = {"cases_by_square", "cases_by_plate", "findings_by_plate", "case_spans"}


def test_the_migrations_build_the_tables_that_the_code_expects(where: str) -> None:
    def ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
        return kind != "table" or name in _OURS

    store = Store(where)
    with store.reading() as connection:
        options = {
            "compare_type": False,
            "include_object": lambda o, name, kind, r, c: (
                name not in _OF_EXPRESSIONS and ours(o, name, kind, r, c)
            ),
            "version_table": VERSION_TABLE,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    store.close()


def test_the_schema_is_the_migrations_head() -> None:
    config = Config()
    config.set_main_option("script_location", "cv_engine.cases.database:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


def test_many_threads_open_a_new_queue_at_once(tmp_path: Path) -> None:
    barrier, errors = Barrier(8), list[BaseException]()

    def opening() -> None:
        barrier.wait()
        try:
            open_queue(tmp_path / "queue.sqlite").close()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=opening) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_sqlite_waits_for_readers_and_for_the_references_of_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "queue.sqlite")
    with store.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    store.close()
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}


def test_what_is_acknowledged_survives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was synced last is all that a power cut leaves of the write-ahead log."""
    synced = dict[str, bytes]()
    sync = os.fdatasync

    def remember(file: int) -> None:
        sync(file)
        path = Path(f"/proc/self/fd/{file}").readlink()
        synced[path.name] = path.read_bytes()

    monkeypatch.setattr(os, "fdatasync", remember)
    with open_queue(tmp_path / "queue.sqlite") as queue:
        for number in range(3):
            filed = queue.file(finding(1000 * number, 1000 * number + 300))
            left = tmp_path / f"left-{number}"
            left.mkdir()
            (left / "queue.sqlite").write_bytes((tmp_path / "queue.sqlite").read_bytes())
            (left / "queue.sqlite-wal").write_bytes(synced["queue.sqlite-wal"])
            with open_queue(left / "queue.sqlite") as after:
                assert after.get(filed.case_id).key
                assert after.count() == number + 1


def test_a_disk_that_cannot_keep_a_commit_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with open_queue(tmp_path / "queue.sqlite") as queue:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", fail)
            with pytest.raises(QueueError, match="Input/output error"):
                queue.file(finding())
        assert queue.file(finding()).case_id == 1  # filed again, once


def test_a_newer_schema_is_left_alone(where: str) -> None:
    store = Store(where)
    with store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
    store.close()
    with pytest.raises(QueueError, match=r"newer version of cv-engine \(schema 0999"):
        open_queue(where)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE albums (id)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(QueueError, match="database of another program"):
        open_queue(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://u:secret@h/d", "mysql is not supported"),
        ("sqlite://", "in memory would be lost"),
        ("sqlite:///:memory:", "in memory would be lost"),
        ("://", "not a valid database URL"),
    ],
)
def test_addresses_that_cannot_be_a_queue(address: str, message: str) -> None:
    with pytest.raises(QueueError, match=message) as caught:
        open_queue(address)
    assert "secret" not in str(caught.value)


def test_a_sqlite_url_is_a_path(tmp_path: Path) -> None:
    with open_queue(f"sqlite:///{tmp_path}/a b/queue.sqlite") as queue:
        queue.file(finding())
    assert (tmp_path / "a b" / "queue.sqlite").is_file()


def test_foreign_keys_hold(where: str) -> None:
    store = Store(where)
    with pytest.raises(sa.exc.IntegrityError), store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO findings (key, case_id, began, observed) "
            "VALUES ('k', 9, '2026-05-01 00:00:00.000000', '2026-05-01 00:00:00.000000')"
        )
    store.close()
