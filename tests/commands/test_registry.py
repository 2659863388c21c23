from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cv_engine.registry import Kind
from tests.commands.program import run_program

_VEHICLES = (
    "plate,status,exempt_reason,owner,phone\n"
    "浙B12345,normal,,王小明,13800000000\n"
    "浙B00001,exempt,police,,\n"
)
_ORGANISATION = """\
departments:
  - {id: traffic, name: Traffic}
officers:
  - {name: ann, role: supervisor, department: traffic}
  - {name: bob, role: officer, department: traffic}
"""


def _import(folder: Path, text: str = _VEHICLES, kind: str = "vehicles") -> str:
    (folder / "f.csv").write_text(text, encoding="utf-8")
    done = run_program(folder, "registry", "import", kind, "f.csv")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_table_is_imported_and_shown_without_contact_data(tmp_path: Path) -> None:
    assert "vehicles: 2 records, 1 with contact data\n" in _import(tmp_path)
    assert "vehicles: 2 records, 1 with contact data, 2 before" in _import(tmp_path)
    _import(tmp_path, "plate,reason,zone\n浙B12345,works,market\n", "exemptions")
    _import(tmp_path, "number,plate,zone,valid_to\n7,浙B12345,west,2999-12-31\n", "parking")
    done = run_program(tmp_path, "registry", "show", "浙b·12345", "--format", "jsonl")
    assert json.loads(done.stdout) == {
        "plate": "浙B12345",
        "registered": True,
        "layout": None,
        "status": "normal",
        "exempt_reason": None,
        "has_contact": True,
        "exemptions": [
            {"reason": "works", "zone": "market", "valid_to": None},
            {"reason": "parking permit 7", "zone": "west", "valid_to": "2999-12-31"},
        ],
    }
    table = run_program(tmp_path, "registry", "show", "浙B12345").stdout
    assert "works, market" in table
    assert "王小明" not in table + done.stdout
    missing = run_program(tmp_path, "registry", "show", "浙B99999")
    assert missing.returncode == 1
    assert "浙B99999: not in the registry of vehicles" in missing.stderr


def test_contact_data_take_a_reason_and_a_role_and_are_logged(tmp_path: Path) -> None:
    (tmp_path / "organisation.yaml").write_text(_ORGANISATION)
    (tmp_path / "my.yaml").write_text("cases: {organisation: organisation.yaml}\n")
    _import(tmp_path)

    def show(*more: str) -> tuple[int, str]:
        command = ("registry", "show", "浙B12345", "--config", "my.yaml", "--contact", *more)
        done = run_program(tmp_path, *command, "--format", "jsonl")
        return done.returncode, done.stdout + done.stderr

    code, text = show("--by", "ann")
    assert code == 2 and "--contact needs --why" in text
    code, text = show("--by", "bob", "--why", "case 7")
    assert code == 2 and "bob may not see the contact data of 浙B12345" in text
    code, text = show("--by", "eve", "--why", "case 7")
    assert code == 2 and "eve is not an officer" in text
    assert not (tmp_path / "cv-engine-data" / "queue.db").exists()
    code, text = show("--by", "ann", "--why", "case 7")
    assert code == 0
    assert json.loads(text)["owner_phone"] == "13800000000"
    (line,) = run_program(tmp_path, "privacy", "looks", "--format", "jsonl").stdout.splitlines()
    logged = json.loads(line)
    assert (logged["who"], logged["role"], logged["why"]) == ("ann", "supervisor", "case 7")
    assert (logged["what"], logged["plate"]) == ("contact", "浙B12345")
    assert "13800000000" not in line


def test_a_check_lists_every_error_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(_VEHICLES + "?,king,,,\n浙B12345,,,,\n")
    done = run_program(tmp_path, "registry", "check", "vehicles", "f.csv", "--format", "jsonl")
    assert done.returncode == 2
    found = [json.loads(line)["where"] for line in done.stdout.splitlines()]
    assert found == ["f.csv:4: plate", "f.csv:4: status", "f.csv:5: plate"]
    assert "f.csv: 3 valid records, 3 problems" in done.stderr
    table = run_program(tmp_path, "registry", "check", "vehicles", "f.csv").stdout
    assert "error f.csv:4: status: 'king' is no status; write one of normal" in table
    refused = run_program(tmp_path, "registry", "import", "vehicles", "f.csv")
    assert refused.returncode == 2
    assert "f.csv:5: plate: '浙B12345' is there twice, first at f.csv:2" in refused.stderr
    status = run_program(tmp_path, "registry", "status", "--format", "jsonl").stdout
    assert [json.loads(line)["rows"] for line in status.splitlines()] == [None] * 7
    (tmp_path / "f.csv").write_text(_VEHICLES)
    done = run_program(tmp_path, "registry", "check", "vehicles", "f.csv")
    assert done.returncode == 0
    assert "2 valid records, no problem found" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("import", "cars", "f.csv"), "cars: is no registry; take one of vehicles, merchants"),
        (("import", "vehicles", "none.csv"), "none.csv: No such file"),
        (("import", "vehicles", "."), "Is a directory"),
        (("check", "vehicles", "none.parquet"), "none.parquet: No such file"),
        (("import", "vehicles", "f.csv", "--encoding", "klingon"), "is no encoding"),
        (("import", "vehicles", "empty.csv"), "empty.csv:1: the file is empty"),
        (("rotate-key",), "the key of the contact data is missing"),
    ],
)
def test_wrong_input_is_reported_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "f.csv").write_text(_VEHICLES)
    (tmp_path / "empty.csv").write_text("")
    done = run_program(tmp_path, "registry", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_is_changed_and_its_state_shown(tmp_path: Path) -> None:
    _import(tmp_path)
    key = tmp_path / "cv-engine-data" / "registry-key"
    before = key.read_text()

    def state() -> tuple[int, str]:
        done = run_program(tmp_path, "registry", "status", "--format", "jsonl")
        return done.returncode, json.loads(done.stdout.splitlines()[0])["key"]

    assert state() == (0, "newest")
    done = run_program(tmp_path, "registry", "rotate-key")
    assert done.returncode == 0
    assert "all contact data are encrypted with the key" in done.stderr
    assert key.read_text() != before
    assert state() == (0, "newest")
    key.write_text(key.read_text() + before)
    assert state() == (0, "newest")
    key.write_text(before)
    assert state() == (1, "missing")
    key.unlink()
    assert state() == (1, "missing")


def test_a_table_that_a_service_hides_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("registry: {service: {url: 'http://127.0.0.1:9'}}\n")
    (tmp_path / "f.csv").write_text(_VEHICLES)
    options = ("--config", "my.yaml")
    done = run_program(tmp_path, "registry", "import", "vehicles", "f.csv", *options)
    assert "vehicles is asked of http://127.0.0.1:9, not of the table" in done.stderr
    shown = run_program(tmp_path, "registry", "status", *options).stdout
    assert "http://127.0.0.1:9" in shown
    done = run_program(tmp_path, "registry", "show", "浙B12345", *options)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr


def test_the_help_names_every_registry(tmp_path: Path) -> None:
    shown = run_program(tmp_path, "registry", "import", "--help").stdout
    assert all(kind.value in shown for kind in Kind)


def test_the_command_line_starts_without_the_registries() -> None:
    text = (
        "import sys, cli; "
        "print([name for name in sys.modules if name.startswith(('cv_engine.registry', 'numpy'))])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
