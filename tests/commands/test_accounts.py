"""`cv-engine accounts`, and the first start of the service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from cv_engine.service.accounts.tokens import Tokens
from tests.commands.program import Done, run_program
from tests.service.made import NOW


def _run(folder: Path, *arguments: object) -> Done:
    return run_program(folder, "accounts", *arguments, "--data", folder / "data")


def test_an_account_is_added_listed_and_disabled(tmp_path: Path) -> None:
    added = _run(tmp_path, "add", "Li Wei", "--role", "supervisor", "--area", "north")
    assert added.returncode == 0, added.stderr
    assert "/password/" in added.stdout
    assert _run(tmp_path, "disable", "li wei").returncode == 0
    (row,) = map(json.loads, _run(tmp_path, "list", "--format", "jsonl").stdout.splitlines())
    assert row == {
        **{"name": "Li Wei", "role": "supervisor", "areas": ["north"]},
        **{"password": False, "disabled": True},
    }
    assert _run(tmp_path, "enable", "Li Wei").returncode == 0
    assert "Li Wei" in _run(tmp_path, "list").stdout


def test_a_token_is_printed_once(tmp_path: Path) -> None:
    _run(tmp_path, "add", "report")
    made = _run(tmp_path, "token", "report", "--for", "month", "--scope", "cases:read")
    assert made.returncode == 0, made.stderr
    with open_queue(tmp_path / "data" / "queue.db") as queue:
        found = Tokens(queue.store, lambda: NOW).find(made.stdout.strip())
    assert found is not None and found[0].name == "report"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Li", "--role", "king"), "no role 'king'"),
        (("add", " "), "1 to 100 letters"),
        (("link", "Li"), "no account 'Li'"),
        (("token", "Li", "--for", "x", "--scope", "cases:read"), "no account 'Li'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
