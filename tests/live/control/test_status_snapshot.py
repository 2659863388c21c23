from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.live.control.status_snapshot import (
    STALE_S,
    CameraEntry,
    StatusSnapshot,
    WorkerEntry,
    read_snapshot,
    snapshot_path,
    write_snapshot,
)
from cv_engine.live.status import CameraStatus, Latency


def _snapshot(at: float = 1000.0, *, stopped: bool = False) -> StatusSnapshot:
    latency = Latency().plus(0.3)
    camera = CameraStatus("东门 1", "live", 900.5, samples=7, asked=2, latency=latency)
    worker = WorkerEntry("worker-1", "node", 42, "running", "", 1, 3.5, 210.0, 9, 1)
    return StatusSnapshot(at, 800.0, 7, stopped, (worker,), (CameraEntry("worker-1", camera),))


def test_a_written_snapshot_is_read_back(tmp_path: Path) -> None:
    write_snapshot(tmp_path, _snapshot())
    assert read_snapshot(tmp_path) == _snapshot()
    assert [path.name for path in snapshot_path(tmp_path).parent.iterdir()] == ["status.json"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"at": 1, "workers": [], "cameras": [{"worker": "", "status": {}}]}'],
)
def test_an_invalid_snapshot_is_read_as_none(tmp_path: Path, content: str) -> None:
    assert read_snapshot(tmp_path) is None
    snapshot_path(tmp_path).parent.mkdir()
    snapshot_path(tmp_path).write_text(content)
    assert read_snapshot(tmp_path) is None


@pytest.mark.parametrize(
    ("age_s", "stopped", "stale"),
    [(1.0, False, False), (STALE_S + 1, False, True), (STALE_S + 1, True, False)],
)
def test_a_snapshot_goes_stale_unless_watching_was_stopped(
    age_s: float, stopped: bool, stale: bool
) -> None:
    assert _snapshot(1000.0, stopped=stopped).is_stale(1000.0 + age_s) is stale
