from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from tests.cases.database.filled import filled
from tests.cases.made import finding
from tests.commands.program import run_program

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command of the group in a folder whose data folder has a queue."""
    (tmp_path / "data").mkdir()
    filled(tmp_path / "data" / "queue.db")
    return partial(run_program, tmp_path, "cases")


def _tamper(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute(statement)
    raw.close()


def test_an_audit_names_what_was_changed_and_fails(run: Run, tmp_path: Path) -> None:
    done = run("audit", "--data", "data")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no problem was found\n")
    changed = "UPDATE history SET \"by\" = 'somebody' WHERE case_id = 4 AND seq = 2"
    _tamper(tmp_path / "data" / "queue.db", changed)
    done = run("audit", "--data", "data")
    assert done.returncode == 1
    assert done.stdout.startswith("case 4, entry 2: the entry was changed")
    assert "1 problems" in done.stderr
    done = run("audit", "--data", "data", "--format", "jsonl")
    assert [(row["case_id"], row["seq"]) for row in map(json.loads, done.stdout.splitlines())] == [
        (4, 2)
    ]
    assert run("audit", "1", "2", "--data", "data").returncode == 0
    assert run("audit", "4", "--data", "data").returncode == 1


def test_a_backup_is_restored_to_a_new_queue(run: Run, tmp_path: Path) -> None:
    done = run("backup", "saved.queue", "--data", "data")
    assert done.returncode == 0, done.stderr
    assert "32 evidence folders" in done.stderr
    assert run("restore", "saved.queue", "--data", "other").returncode == 0
    with (
        open_queue(tmp_path / "other" / "queue.db") as restored,
        open_queue(tmp_path / "data" / "queue.db") as queue,
    ):
        assert restored.cases() == queue.cases()
    again = run("restore", "saved.queue", "--data", "other")
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_a_queue_is_moved_and_the_old_one_says_where_it_is(run: Run, tmp_path: Path) -> None:
    done = run("move", "--to", "moved.db", "--data", "data")
    assert done.returncode == 0, done.stderr
    assert "moved and verified" in done.stderr
    assert "store: " in done.stderr
    refused = run("confirm", "1", "--data", "data")
    assert refused.returncode == 1
    assert "the queue has moved to" in refused.stderr
    assert "moved.db" in refused.stderr
    assert run("move", "--undo", "--data", "data").returncode == 0
    with open_queue(tmp_path / "data" / "queue.db") as queue:
        assert queue.file(finding(9e6, 9e6 + 300)).outcome == "new"


@pytest.mark.parametrize("options", [(), ("--to", "new.db", "--undo")])
def test_a_move_goes_somewhere_or_back(run: Run, options: tuple[str, ...]) -> None:
    done = run("move", *options, "--data", "data")
    assert done.returncode == 2
    assert "--to STORE" in done.stderr


def test_cases_are_listed_by_the_words_of_their_place(run: Run) -> None:
    done = run("list", "--text", "MARKET no. 7", "--data", "data", "--format", "jsonl")
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ["bridge"]
    empty = run("list", "--text", " ", "--data", "data")
    assert empty.returncode == 2
    assert "the text of the place is empty" in empty.stderr
