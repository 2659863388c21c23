from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cv_engine.commands.exit_codes import ExitCode
from cv_engine.commands.options import Format
from cv_engine.commands.session import Session
from cv_engine.commands.status import show_status, summary, table
from cv_engine.live.control.status_snapshot import (
    CameraEntry,
    StatusSnapshot,
    WorkerEntry,
    write_snapshot,
)
from cv_engine.live.status import CameraStatus, Latency


def _camera(name: str, state: str = "live", *latencies_s: float, **more: Any) -> CameraEntry:
    latency = Latency()
    for seconds in latencies_s:
        latency = latency.plus(seconds)
    since = time.time() - 300
    return CameraEntry("worker-1", CameraStatus(name, state, since, latency=latency, **more))


def _write(
    data: Path, *cameras: CameraEntry, age_s: float = 1.0, stopped: bool = False
) -> StatusSnapshot:
    at = time.time() - age_s
    worker = WorkerEntry("worker-1", "here", 42, "running", "", 2, 3.5, 210.0, 9, len(cameras))
    snapshot = StatusSnapshot(at, at - 600, 7, stopped, (worker,), cameras)
    write_snapshot(data, snapshot)
    return snapshot


def test_all_live_is_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, _camera("gate", samples=200, asked=50, cases=2), _camera("yard"))
    assert show_status(Session(None, tmp_path)) == ExitCode.DONE
    shown = capsys.readouterr()
    assert "gate" in shown.out
    assert "75%" in shown.out
    assert "5 min" in shown.out
    assert "2 of 2 cameras live, 1 of 1 worker running, 2 cases in 10 min" in shown.err
    assert "workers replaced: 1" in shown.err


@pytest.mark.parametrize("state", ["connecting", "blind", "stalled", "reconnecting", "stopped"])
def test_a_camera_that_is_not_live_is_a_failure(tmp_path: Path, state: str) -> None:
    _write(tmp_path, _camera("gate"), _camera("yard", state))
    assert show_status(Session(None, tmp_path)) == ExitCode.FAILED


@pytest.mark.parametrize(
    ("age_s", "stopped", "message"),
    [
        (200.0, False, "nothing is running: the program ended unexpectedly 3 min ago"),
        (200.0, True, "nothing is running: watching was stopped 3 min ago"),
        (1.0, True, "nothing is running: watching was stopped 1 s ago"),
    ],
)
def test_after_the_program_ended_its_cameras_are_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], age_s: float, stopped: bool, message: str
) -> None:
    _write(tmp_path, _camera("gate"), age_s=age_s, stopped=stopped)
    assert show_status(Session(None, tmp_path, Format.JSONL)) == ExitCode.FAILED
    shown = capsys.readouterr()
    row = json.loads(shown.out)
    assert (row["camera"], row["state"], row["worker"]) == ("gate", "stopped", None)
    assert message in shown.err


def test_a_data_folder_without_a_snapshot_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_status(Session(None, tmp_path)) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(tmp_path) in shown.err
    assert "cv-engine watch" in shown.err


def test_json_lines_are_null_where_a_value_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampled_at = 1_780_000_000.0
    gate = _camera("gate", "live", *[0.3] * 99, 3.5, samples=4, asked=1, sampled_at=sampled_at)
    _write(tmp_path, gate, _camera("far", "live", 99.0), _camera("new", "connecting"))
    show_status(Session(None, tmp_path, Format.JSONL))
    rows = {row["camera"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["gate"]["gate_rate"] == 0.75
    assert rows["gate"]["latency_p95_s"] == 0.5
    assert rows["gate"]["sampled_at"] == "2026-05-28T20:26:40+00:00"
    assert rows["far"]["latency_p95_s"] is None
    assert rows["new"]["gate_rate"] is None
    assert rows["new"]["view"] is None


def test_damage_is_shown_and_findings_that_joined_are_no_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "pictures arrive, none can be decoded: all are damaged"
    snapshot = _write(
        tmp_path, _camera("gate", "blind", damaged=77, cases=2, joined=5, message=why)
    )
    shown = table(snapshot, time.time())
    cells = {str(column.header): next(iter(column.cells)) for column in shown.columns}
    assert (cells["damaged"], cells["cases"], cells["message"]) == ("77", "2", why)
    assert show_status(Session(None, tmp_path, Format.JSONL)) == ExitCode.FAILED
    row = json.loads(capsys.readouterr().out)
    assert (row["state"], row["damaged"], row["cases"], row["joined"]) == ("blind", 77, 2, 5)
    assert "0 of 1 camera live" in summary(snapshot)
    assert "2 cases" in summary(snapshot)


def test_a_long_table_shows_cameras_that_are_not_live_first(tmp_path: Path) -> None:
    cameras = [_camera(f"c{n}") for n in range(9)] + [_camera("z", "stalled")]
    shown = table(_write(tmp_path, *cameras), time.time(), most=2)
    names = list(shown.columns[0].cells)
    assert names == ["z", "c0", "and 8 more"]
