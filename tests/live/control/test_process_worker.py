"""Workers in processes of their own: fake ones that only claim to watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from cv_engine.live.control.process_worker import Logs, ProcessHost, ProcessHosts
from cv_engine.live.status import CameraStatus, WorkerStatus

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE_S = 60.0  # a process starts in half a second on an idle machine


class FakeWorker:
    """Stands in for a worker; its configuration is a folder, into which it writes when it stops."""

    def __init__(self, config: Path, name: str, *, node: str = "") -> None:
        self._folder = config
        self._name = name
        self._node = node
        self._cameras: tuple[str, ...] = ()
        self.alive = True

    def watch(self, cameras: Sequence[str]) -> None:
        if "hang" in cameras:
            time.sleep(3600)
        if "crash" in cameras:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "fail" in cameras:
            threading.Thread(target=time.sleep, args=(3600,)).start()
            raise RuntimeError("no such stream")
        if "die" in cameras:
            self.alive = False
        self._cameras = tuple(cameras)

    def start(self) -> None:
        structlog.get_logger(__name__).warning("started", password="***")
        if self._folder.name == "nothing":
            raise ValueError("the model cannot be loaded")

    def status(self) -> WorkerStatus:
        cameras = tuple(CameraStatus(name, "live") for name in self._cameras)
        return WorkerStatus(self._name, self._node, os.getpid(), time.time(), cameras=cameras)

    def stop(self, timeout_s: float = 10.0) -> None:
        if not self.alive:
            raise KeyError("what ended it")
        (self._folder / f"stopped-{os.getpid()}").write_text(" ".join(self._cameras))


def _until(met: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


@contextmanager
def _host(folder: Path, log: Path | None = None) -> Iterator[ProcessHost]:
    hosts = ProcessHosts(folder, 1, Logs(verbose=False, file=log), worker=FakeWorker)
    (slot,) = hosts.slots()
    host = hosts.start(slot)
    try:
        yield host
    finally:
        host.kill()
        assert not host.alive


def _listed(host: ProcessHost) -> list[str] | None:
    status = host.status()
    return None if status is None else [camera.camera for camera in status.cameras]


def test_a_worker_follows_requests_and_reports_its_status(tmp_path: Path) -> None:
    with _host(tmp_path) as host:
        host.assign(["a", "b"])
        assert host.holds == {"a", "b"}
        _until(lambda: _listed(host) == ["a", "b"])
        status = host.status()
        assert status is not None
        assert status.pid == host.pid != os.getpid()
        assert status.node
        host.assign(["b"])
        assert host.holds == {"a", "b"}
        _until(lambda: _listed(host) == ["b"])
        assert host.holds == {"b"}
        first_at = status.at
        _until(lambda: (latest := host.status()) is not None and latest.at > first_at + 1)


def test_a_worker_stops_on_request(tmp_path: Path) -> None:
    with _host(tmp_path) as host:
        host.assign(["a"])
        _until(lambda: _listed(host) == ["a"])
        host.stop()
        _until(lambda: not host.alive)
        assert (tmp_path / f"stopped-{host.pid}").read_text() == "a"
        assert host.failure == "its process ended with exit code 0"


def test_sigterm_stops_a_worker(tmp_path: Path) -> None:
    with _host(tmp_path) as host:
        _until(lambda: host.status() is not None)
        assert host.pid is not None
        os.kill(host.pid, signal.SIGINT)  # ignored: only the program reacts to Ctrl-C
        os.kill(host.pid, signal.SIGTERM)
        _until(lambda: not host.alive)
        assert (tmp_path / f"stopped-{host.pid}").exists()


@pytest.mark.parametrize(
    ("camera", "failure"),
    [
        ("crash", "its process was ended by SIGSEGV"),
        ("fail", "RuntimeError: no such stream"),
        ("die", "KeyError: 'what ended it'"),
    ],
)
def test_why_a_worker_ended_is_reported(tmp_path: Path, camera: str, failure: str) -> None:
    with _host(tmp_path) as host:
        host.assign([camera])
        _until(lambda: not host.alive)
        assert host.failure == failure


def test_why_a_worker_cannot_start_is_reported(tmp_path: Path) -> None:
    with _host(tmp_path / "nothing") as host:
        _until(lambda: not host.alive)
        assert host.failure == "ValueError: the model cannot be loaded"
        assert host.status() is None


def test_a_hanging_worker_blocks_neither_requests_nor_kill(tmp_path: Path) -> None:
    with _host(tmp_path) as host:
        host.assign(["hang"])
        _until(lambda: host.status() is not None)
        host.assign(["a"])
        assert host.holds == {"a", "hang"}
        assert host.alive


def test_a_stopped_process_falls_silent_and_can_be_killed(tmp_path: Path) -> None:
    with _host(tmp_path) as host:
        _until(lambda: host.status() is not None)
        assert host.pid is not None
        os.kill(host.pid, signal.SIGSTOP)
        host.assign(["a"])
        host.stop()
        assert host.alive


def test_log_lines_are_objects_that_name_the_worker(tmp_path: Path) -> None:
    log = tmp_path / "watch.log"
    with _host(tmp_path, log) as host:
        _until(lambda: host.status() is not None)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["worker"], line["event"], line["level"]) for line in lines] == [
        ("worker-1", "started", "warning")
    ]


_PROGRAM = """
import sys, time
from pathlib import Path
from cv_engine.live.control.process_worker import Logs, ProcessHosts
from tests.live.control.test_process_worker import FakeWorker
if __name__ == "__main__":
    hosts = ProcessHosts(Path(sys.argv[1]), 1, Logs(verbose=False), worker=FakeWorker)
    host = hosts.start("worker-1")
    host.assign(["a"])
    while host.status() is None or not host.status().cameras:
        time.sleep(0.02)
    print(host.pid, flush=True)
    time.sleep(3600)
"""


def test_a_worker_ends_when_the_program_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert str(tmp_path) not in Path(f"/proc/{pid}/cmdline").read_text()
        process.kill()
        _, errors = process.communicate(timeout=_PATIENCE_S)  # the worker holds stderr, too
    assert json.loads(errors.splitlines()[0])["event"] == "started"
    _until(lambda: (tmp_path / f"stopped-{pid}").exists())
    assert (tmp_path / f"stopped-{pid}").read_text() == "a"
