from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cv_engine.cases import Event, open_queue
from cv_engine.commands.errors import InputError
from cv_engine.commands.session import Session
from cv_engine.commands.watch import to_watch, watch_cameras
from cv_engine.config import Config, ConfigError
from cv_engine.live.control.errors import MetricsError
from cv_engine.live.control.status_snapshot import StatusSnapshot, read_snapshot
from tests.cases.made import Hours, finding
from tests.commands.program import run_program

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 120.0
_CAMERAS: tuple[dict[str, str], ...] = (
    {"name": "gate", "url": "rtsp://10.0.0.5/1"},
    {"name": "archive"},
    {"name": "yard", "url": "rtsp://10.0.0.6/1"},
)


@pytest.mark.parametrize(
    ("asked", "watched"),
    [([], ["gate", "yard"]), (["yard"], ["yard"]), (["yard", "gate", "yard"], ["yard", "gate"])],
)
def test_cameras_are_watched_once_and_by_default_all_that_have_a_stream(
    asked: Sequence[str], watched: list[str]
) -> None:
    assert to_watch(Config.model_validate({"cameras": _CAMERAS}), asked) == watched


@pytest.mark.parametrize(
    ("cameras", "asked", "error", "message"),
    [
        (_CAMERAS, ["gat"], ConfigError, r"'gat' is not .* \(known: archive, gate, yard\)"),
        (_CAMERAS, ["archive"], InputError, r"cameras\[1\]\.url: camera 'archive' has no stream"),
        (_CAMERAS[1:2], [], InputError, "no camera of the configuration has a stream"),
    ],
)
def test_cameras_that_cannot_be_watched_are_errors(
    cameras: tuple[dict[str, str], ...], asked: Sequence[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        to_watch(Config.model_validate({"cameras": cameras}), asked)


def _config(folder: Path, port: int | None = None) -> Path:
    """Two cameras at an unreachable address, watched by one worker."""
    path = folder / "config.yaml"
    values = {
        "data": "data",
        "live": {"workers": 1, "metrics_port": port},
        "cameras": [{"name": name, "url": "rtsp://127.0.0.1:1/1"} for name in ("gate", "yard")],
    }
    path.write_text(json.dumps(values))  # JSON is YAML
    return path


def test_a_port_in_use_is_an_error_before_any_worker_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MetricsError, match=rf"port {port} .* is taken"):
            watch_cameras(Session(_config(tmp_path, port), None), [])
    assert read_snapshot(tmp_path / "data") is None


_PROGRAM = """
import sys
from pathlib import Path
from cv_engine.commands.watch import watch_cameras
from cv_engine.commands.session import Session
if __name__ == "__main__":
    sys.exit(watch_cameras(Session(Path(sys.argv[1]), None), []))
"""


@contextmanager
def _watching(config: Path) -> Iterator[tuple[subprocess.Popen[str], StatusSnapshot]]:
    program = config.with_name("program.py")
    program.write_text(_PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(program), str(config)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + _PATIENCE_S
        try:
            snapshot = None
            while snapshot is None or not all(entry.worker for entry in snapshot.cameras):
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
                snapshot = read_snapshot(config.parent / "data")
            yield process, snapshot
        finally:
            process.kill()


def test_watching_ends_with_a_signal(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with _watching(config) as (process, snapshot):
        assert [entry.status.camera for entry in snapshot.cameras] == ["gate", "yard"]
        with pytest.raises(InputError, match=f"being watched .* by process {process.pid}"):
            watch_cameras(Session(config, None), [])
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=_PATIENCE_S)
    assert (process.returncode, out) == (0, "")
    last = read_snapshot(tmp_path / "data")
    assert last is not None
    assert last.stopped
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {line["event"] for line in lines} >= {"watching", "stream lost", "stopped"}
    assert not _has_processes(snapshot)


def test_watching_attends_to_deadlines_which_leaves_nothing_to_do_for_others(
    tmp_path: Path,
) -> None:
    yesterday, data = datetime.now(UTC) - timedelta(days=1), tmp_path / "data"
    with open_queue(data / "queue.db", clock=lambda: yesterday, limits=Hours()) as queue:
        queue.file(finding())
        with _watching(_config(tmp_path)):
            deadline = time.monotonic() + _PATIENCE_S
            while queue.history(1)[-1].event is not Event.ESCALATED:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            other = run_program(tmp_path, "cases", "deadlines", "--data", data)
        assert other.stderr.strip() == "no deadline is near"
        assert [entry.event for entry in queue.history(1)] == [Event.FILED, Event.ESCALATED]


@pytest.mark.slow
def test_a_second_signal_does_not_wait_for_the_workers(tmp_path: Path) -> None:
    with _watching(_config(tmp_path)) as (process, snapshot):
        worker = snapshot.workers[0].pid
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)  # a stopped process does not react
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)  # another signal: pending ones of one kind are merged
        process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130
    assert not _has_processes(snapshot)


@pytest.mark.slow
def test_workers_that_do_not_start_are_reported(tmp_path: Path) -> None:
    config = _config(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "queue.db").write_text("no database")
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), str(config)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    assert done.returncode == 1
    assert "no worker starts: QueueError" in done.stderr


def _has_processes(snapshot: StatusSnapshot) -> bool:
    return any(Path(f"/proc/{entry.pid}").exists() for entry in snapshot.workers)
