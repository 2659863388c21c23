from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cv_engine.cases import QueueError, open_queue
from cv_engine.cases.audit import audit
from cv_engine.cases.backup import back_up, manifest_path, restore
from cv_engine.cases.database import triggers
from cv_engine.cases.database.store import Store
from tests.cases.database.filled import filled
from tests.cases.database.test_copying import content, to
from tests.cases.made import at, finding

__all__ = ["to"]  # a fixture

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 300.0


def _silent(what: str, done: int, total: int) -> None:
    pass


def test_a_backup_is_restored_to_either_database(where: str, to: str, tmp_path: Path) -> None:
    filled(where)
    file = tmp_path / "backup.queue"
    with closing(Store(where)) as store:
        manifest = back_up(store, file, at(0), _silent)
    assert sorted(path.name for path in tmp_path.glob("backup*")) == [
        "backup.queue",
        "backup.queue.json",
    ]
    assert (manifest.cases, manifest.problems) == (len(content(where)["cases"]), 0)
    assert manifest.evidence_folders == 32  # 24 of cases, one that came later, 7 by people
    with closing(Store(to)) as target:
        restored, _ = restore(file, target, _silent)
    assert restored == manifest
    assert content(to) == content(where)
    with closing(Store(to)) as store, store.snapshot() as connection:
        assert list(audit(connection)) == []
    with open_queue(to) as queue:
        assert queue.file(finding(9e6, 9e6 + 300)).outcome == "new"


def test_a_backup_while_others_file_holds_one_state_of_the_queue(
    where: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.cases.filing_process", where, "0", "150"]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(40):
        acknowledged = process.stdout.readline().split()[1]
    file = tmp_path / "backup.queue"
    with closing(Store(where)) as store:
        back_up(store, file, at(0), _silent)
        with store.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM findings").scalar_one() > 20
    process.communicate(timeout=_LONGEST_S)
    assert process.returncode == 0
    target = tmp_path / "restored.sqlite"
    with closing(Store(target)) as store:
        restore(file, store, _silent)
        with store.snapshot() as connection:
            assert list(audit(connection)) == []
    with open_queue(target) as queue:
        assert queue.filed_evidence(acknowledged) is not None
    rows, all_rows = content(str(target)), content(where)
    assert len(rows["findings"]) <= len(all_rows["findings"])
    assert set(map(repr, rows["history"])) <= set(map(repr, all_rows["history"]))


def test_a_backup_of_a_queue_that_was_tampered_with_says_so(tmp_path: Path) -> None:
    filled(tmp_path / "queue.sqlite")
    with closing(Store(tmp_path / "queue.sqlite")) as store:
        with store.writing() as connection:
            triggers.drop(connection)
            connection.exec_driver_sql("UPDATE history SET note = 'x' WHERE id = 7")
        assert back_up(store, tmp_path / "backup", at(0), _silent).problems == 1


def test_a_queue_with_cases_is_not_overwritten(where: str, tmp_path: Path) -> None:
    filled(where)
    with closing(Store(where)) as store:
        back_up(store, tmp_path / "backup", at(0), _silent)
        before = content(where)
        with pytest.raises(QueueError, match="is not empty"):
            restore(tmp_path / "backup", store, _silent)
    assert content(where) == before


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "queue.sqlite")
    file = tmp_path / "backup"
    with closing(Store(tmp_path / "queue.sqlite")) as store:
        back_up(store, file, at(0), _silent)
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE cases SET zone = 'elsewhere' WHERE id = 3")
    raw.close()
    with (
        closing(Store(tmp_path / "new.sqlite")) as target,
        pytest.raises(QueueError, match="damaged or was changed"),
    ):
        restore(file, target, _silent)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "has its manifest beside it"),
        ("{", "not the manifest of a backup"),
        ('{"cases": 3}', "not the manifest of a backup"),
    ],
)
def test_a_file_without_manifest_is_no_backup(
    tmp_path: Path, manifest: str | None, message: str
) -> None:
    file = tmp_path / "backup"
    file.write_text("")
    if manifest is not None:
        manifest_path(file).write_text(manifest)
    with (
        closing(Store(tmp_path / "new.sqlite")) as target,
        pytest.raises(QueueError, match=message),
    ):
        restore(file, target, _silent)


def test_a_failed_backup_leaves_the_one_before(tmp_path: Path) -> None:
    filled(tmp_path / "queue.sqlite")
    file = tmp_path / "backup"

    def full(what: str, done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with closing(Store(tmp_path / "queue.sqlite")) as store:
        back_up(store, file, at(0), _silent)
        before = file.read_bytes()
        with pytest.raises(OSError, match="No space left"):
            back_up(store, file, at(0), full)
    assert file.read_bytes() == before
    assert json.loads(manifest_path(file).read_text())["bytes"] == len(before)
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup", "backup.json"]
