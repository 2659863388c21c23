from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cv_engine.sensors.device import Watching, receive, wake
from cv_engine.sensors.registry import open_registry
from tests.commands.program import run_program
from tests.sensors.made import away, report

_COVERS = (
    "id,kind,zone,longitude,latitude\n"
    "cover-1,manhole_cover_sewage,west,121.55,29.87\n"
    "cover-2,manhole_cover_rain,west,121.56,29.88\n"
)


def _import(folder: Path, text: str = _COVERS) -> str:
    (folder / "covers.csv").write_text(text)
    done = run_program(folder, "sensors", "import", "covers.csv")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_devices_are_imported_again_and_again(tmp_path: Path) -> None:
    assert "2 devices registered, 0 brought up to date" in _import(tmp_path)
    more = _COVERS + "cover-3,manhole_cover_rain,west,121.57,29.89\n"
    assert "1 devices registered, 2 brought up to date" in _import(tmp_path, more)


def test_a_file_with_an_error_registers_nothing(tmp_path: Path) -> None:
    (tmp_path / "covers.csv").write_text(_COVERS + "cover-3,manhole,west,121,200\n")
    done = run_program(tmp_path, "sensors", "import", "covers.csv")
    assert done.returncode == 2
    assert "covers.csv:4: kind: kind 'manhole' is not in the taxonomy" in done.stderr
    assert "covers.csv:4: latitude: '200' is not valid" in done.stderr
    assert "Traceback" not in done.stderr
    assert "no devices" in run_program(tmp_path, "sensors", "list").stderr


def test_the_list_shows_condition_battery_and_both_places(tmp_path: Path) -> None:
    _import(tmp_path)
    with open_registry(tmp_path / "cv-engine-data" / "queue.db") as registry:
        late = timedelta(seconds=100)

        def taken(each):  # type: ignore[no-untyped-def]
            sent = report(0, position=away(500), battery_pct=9.0)
            each, _, _ = receive(each, sent, Watching())
            return wake(each, sent.at + late, Watching())[0], None

        registry.update("cover-1", taken)
    done = run_program(tmp_path, "sensors", "list", "--format", "jsonl")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["id"], first["condition"], first["battery_pct"]) == ("cover-1", "lost", 9.0)
    assert first["latitude"] == 29.87
    assert first["last_position"]["latitude"] == away(500).latitude
    assert (second["condition"], second["last_seen"]) == ("normal", None)
    table = run_program(tmp_path, "sensors", "list").stdout
    assert "29.87000,121.55000" in table
    assert "lost" in table


def test_a_device_that_was_taken_down_is_removed(tmp_path: Path) -> None:
    _import(tmp_path)
    done = run_program(tmp_path, "sensors", "remove", "cover-1")
    assert (done.returncode, done.stderr.strip()) == (0, "1 devices removed")
    listed = run_program(tmp_path, "sensors", "list", "--format", "jsonl").stdout
    assert [json.loads(line)["id"] for line in listed.splitlines()] == ["cover-2"]
    again = run_program(tmp_path, "sensors", "remove", "cover-2", "cover-1")
    assert again.returncode == 2
    assert "there is no device 'cover-1'" in again.stderr
    assert "1 devices registered, 1 brought up to date" in _import(tmp_path)


def test_the_check_reports_devices_that_need_care_and_wrong_settings(tmp_path: Path) -> None:
    _import(tmp_path)
    with open_registry(tmp_path / "cv-engine-data" / "queue.db") as registry:
        sent = report(0, battery_pct=9.0)

        def weak(each):  # type: ignore[no-untyped-def]
            each, _, _ = receive(each, sent, Watching())
            return wake(each, datetime.now(UTC) + timedelta(days=3), Watching())[0], None

        registry.update("cover-1", weak)
    done = run_program(tmp_path, "sensors", "check")
    assert done.returncode == 2
    assert "error: configuration: sensors.host: no broker is configured" in done.stdout
    assert "warning: device cover-1: battery at 9 %" in done.stdout
    assert "warning: device cover-1: silent since 2026-05-01T00:00:00" in done.stdout
    assert "warning: device cover-2: no message since it was registered" in done.stdout
    lines = run_program(tmp_path, "sensors", "check", "--format", "jsonl").stdout.splitlines()
    assert {json.loads(line)["severity"] for line in lines} == {"error", "warning"}
