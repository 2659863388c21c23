"""SQLite's log is copied back beside the writers."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cv_engine.cases import open_queue
from cv_engine.cases.database import write_ahead_log
from cv_engine.cases.database.store import Store
from tests.cases.made import finding

_PAGE = 4096


def test_the_log_begins_again_and_so_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 100)
    with open_queue(tmp_path / "queue.db") as queue:
        for number in range(60):
            queue.file(finding(1000 * number, 1000 * number + 300))
        assert (tmp_path / "queue.db-wal").stat().st_size < 300 * _PAGE
        assert queue.count() == 60


def test_a_long_read_only_puts_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader sees one state; no one waits for it, and it is not tried again at every filing."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 100)
    copies = list[bool]()
    copy = write_ahead_log.Checkpoints.copy

    def count_copies(checkpoints: write_ahead_log.Checkpoints, engine: Engine) -> bool:
        copies.append(copy(checkpoints, engine))
        return copies[-1]

    monkeypatch.setattr(write_ahead_log.Checkpoints, "copy", count_copies)
    with open_queue(tmp_path / "queue.db") as queue:
        queue.file(finding())
        reader = Store(tmp_path / "queue.db")
        with reader.snapshot() as connection:
            count = "SELECT count(*) FROM cases"
            assert connection.exec_driver_sql(count).scalar() == 1
            for number in range(1, 41):
                queue.file(finding(1000 * number, 1000 * number + 300))
            assert connection.exec_driver_sql(count).scalar() == 1
            assert 2 <= len(copies) <= 40  # a filing writes some thirty pages
        reader.close()
        long = (tmp_path / "queue.db-wal").stat().st_size
        for number in range(41, 90):
            queue.file(finding(1000 * number, 1000 * number + 300))
        assert (tmp_path / "queue.db-wal").stat().st_size < long + 200 * _PAGE
        assert queue.count() == 90


def test_a_database_without_a_log_has_nothing_to_copy(tmp_path: Path) -> None:
    checkpoints = write_ahead_log.Checkpoints(tmp_path / "queue.db")
    assert not checkpoints.is_due()
    (tmp_path / "queue.db-wal").write_bytes(b"short")
    assert not checkpoints.is_due()
    write_ahead_log.sync(tmp_path / "absent.db")


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the locks are read from /proc")
def test_filing_leaves_sqlite_its_locks(tmp_path: Path) -> None:
    """To close any descriptor of a file gives back all locks that the process has on it (POSIX)."""
    with open_queue(tmp_path / "queue.db") as queue:
        queue.file(finding())
        queue.file_all([finding(1000, 1300)])
        assert _locked(tmp_path) >= {"queue.db", "queue.db-shm"}


def _locked(folder: Path) -> set[str]:
    """The files in the folder on which this process has locks."""
    names = {file.stat().st_ino: file.name for file in folder.iterdir()}
    rows = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    inodes = {int(row[5].split(":")[2]) for row in rows if row[1] == "POSIX"}
    return {name for inode, name in names.items() if inode in inodes}
