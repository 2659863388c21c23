"""The commands around notices, as a person and a program use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import open_queue
from cv_engine.finding import Finding, Place
from cv_engine.registry import Kind
from tests.cases.outbox.receivers import LONGEST_S, until
from tests.commands.program import Done, run_program
from tests.registry.made import load, write

_ROOT = Path(__file__).resolve().parents[2]
_CONFIG = """data: data
registry: {folder: registry, key_file: key}
notices:
  file: sms.jsonl
  surge_least: 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(_CONFIG)
    rows = (f"A{number},1380{number}" for number in range(9))
    load(tmp_path, Kind.VEHICLES, write(tmp_path / "vehicles.csv", "plate,phone", *rows))
    return tmp_path


def _park(folder: Path, plate: str, x: float = 0.0, place: dict[str, Any] | None = None) -> int:
    """A car that stands now, and whose case is confirmed."""
    now = datetime.now(UTC)
    attributes = {"plate": {"text": plate, "confidence": 0.999, "layout": "blue"}}
    basis = "unknown" if place is None else "camera"
    where = Place(place, 100.0, basis, (x, 0.0, x + 50.0, 50.0))
    found = Finding(
        *("motor_vehicle_parked", "market-street", "pavement", where),
        *(now - timedelta(minutes=6), now, 0.9, attributes),
    )
    with open_queue(folder / "data" / "queue.db") as queue:
        number = queue.file(found).case_id
        queue.confirm(number, "Wang")
    return number


def _run(folder: Path, *arguments: str) -> Done:
    return run_program(folder, "notices", *arguments, "--config", "config.yaml")


def _list(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    listed = _run(folder, "list", *arguments, "--format", "jsonl")
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_a_notice_is_sent_and_listed(folder: Path) -> None:
    assert "nothing was due" in _run(folder, "run").stderr
    assert "no notices" in _run(folder, "list").stderr
    number = _park(folder, "A1")
    assert _run(folder, "run").stderr == "1 asked, 1 sent\n"
    (message,) = map(json.loads, (folder / "sms.jsonl").read_text().splitlines())
    assert message["to"] == "13801"
    (row,) = _list(folder)
    assert (row["case_id"], row["plate"], row["state"]) == (number, "A1", "sent")
    assert "A1" in _run(folder, "list").stdout
    assert _list(folder, "--state", "dead") == []
    assert _list(folder, "--case", "7") == []


def test_dead_letters_are_sent_again(folder: Path) -> None:
    _park(folder, "A1")
    (folder / "sms.jsonl").mkdir()  # the notice cannot be written
    _run(folder, "run")
    assert [row["state"] for row in _list(folder)] == ["waiting"]
    assert _run(folder, "resend").returncode == 2
    wrong = _run(folder, "resend", "1")
    assert (wrong.returncode, "not a dead or doubtful one" in wrong.stderr) == (2, True)
    assert _run(folder, "resend", "--all").stderr == "0 notices are sent again\n"


def test_a_surge_is_listed_and_released(folder: Path) -> None:
    for number in range(4):
        _park(folder, f"A{number}", x=number * 100.0)
        _run(folder, "run")
    (zone,) = map(json.loads, _run(folder, "zones", "--format", "jsonl").stdout.splitlines())
    assert "3 cases within a day" in zone["why"]
    assert "pavement" in _run(folder, "zones").stdout
    assert len(_list(folder)) == 2
    where = ("pavement", "--camera", "market-street")
    assert _run(folder, "stop", *where, "--why", "wrong map").returncode == 2
    assert _run(folder, "release", *where).returncode == 0
    assert _run(folder, "run").stderr == "2 asked, 2 sent\n"
    assert _run(folder, "stop", *where, "--why", "wrong map").returncode == 0


def test_without_a_gateway_nothing_runs(folder: Path) -> None:
    (folder / "config.yaml").write_text("data: data\n")
    done = _run(folder, "run")
    assert done.returncode == 2
    assert "name a gateway under notices:" in done.stderr


def test_following_sends_until_it_is_stopped(folder: Path) -> None:
    _park(folder, "A1")
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "notices", "run", "--follow", "--config", "config.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: _list(folder) and _list(folder)[0]["state"] == "sent")
        process.terminate()
        _, said = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 0
        assert "sending notices through" in said
        assert "1 asked, 1 sent" in said
    finally:
        process.kill()
        process.communicate()


def test_the_citys_registries_say_who_is_asked_and_who_has_a_permit(folder: Path) -> None:
    (folder / "v.csv").write_text("plate,phone\nA1,13800000001\nA2,13800000002\n")
    permits = "number,plate,longitude,latitude,radius_m\n7,A2,121.55,29.87,20\n"
    (folder / "p.csv").write_text(permits)
    for kind, name in (("vehicles", "v.csv"), ("parking", "p.csv")):
        command = ("registry", "import", kind, name, "--may-shrink", "--config", "config.yaml")
        done = run_program(folder, *command)
        assert done.returncode == 0, done.stderr
    here = {"type": "Point", "coordinates": [121.55, 29.87]}
    asked, permitted = _park(folder, "A1", place=here), _park(folder, "A2", x=100.0, place=here)
    assert _run(folder, "run").stderr == "1 asked, 1 exempt, 1 sent\n"
    (message,) = map(json.loads, (folder / "sms.jsonl").read_text().splitlines())
    assert message["to"] == "13800000001"
    ways = {row["case_id"]: row["way"] for row in _list(folder)}
    assert ways == {asked: "notice", permitted: "exempt"}
    listed = run_program(folder, "privacy", "looks", "--format", "jsonl", "--config", "config.yaml")
    (look,) = map(json.loads, listed.stdout.splitlines())
    assert (look["who"], look["plate"], look["case_id"]) == ("cv-engine", "A1", asked)
