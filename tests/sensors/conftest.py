"""A real MQTT broker, and a watcher on both databases."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cv_engine.cases import Queue, open_queue
from cv_engine.sensors.device import Watching
from cv_engine.sensors.message import ClockBounds
from cv_engine.sensors.registry import Registry, open_registry
from cv_engine.sensors.watcher import Watcher
from tests.cases.conftest import postgresql, postgresql_url, where
from tests.sensors.made import Clock, device

__all__ = ["postgresql", "postgresql_url", "where"]  # fixtures, which pytest finds by their names

_LONGEST_S = 60.0  # a busy machine takes its time


@dataclass
class Mosquitto:
    """A broker that can be stopped and started again; what it keeps is on disk."""

    program: str
    folder: Path
    port: int
    users: bool = False
    certificate: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start, and wait until the port answers."""
        config = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if self.users else 'true'}",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
        ]
        if self.users:
            lines.append(f"password_file {self.folder / 'passwords'}")
        if self.certificate is not None:
            key = self.certificate.with_suffix(".key")
            lines += [f"certfile {self.certificate}", f"keyfile {key}"]
        if os.geteuid() == 0:
            lines.append("user root")  # otherwise it becomes a user who may not write the folder
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            command = [self.program, "-c", str(config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + _LONGEST_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, "the broker does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop; sessions and messages are written to disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_LONGEST_S)
            self._process = None


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker on a free port of this machine."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("no mosquitto is installed")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    broker = Mosquitto(program, folder, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@dataclass
class Street:
    """One registered cover, and the watcher of its messages."""

    where: str
    clock: Clock
    queue: Queue
    registry: Registry
    watcher: Watcher


@pytest.fixture
def street(where: str) -> Iterator[Street]:
    """A watcher with the cover ``cover-1``, on either database, with a clock that the test sets."""
    clock = Clock()
    with ExitStack() as stack:
        queue = stack.enter_context(open_queue(where, clock=clock))
        registry = stack.enter_context(open_registry(where))
        registry.register([device()], clock.now)
        watcher = Watcher(registry, queue, Watching(), ClockBounds(), clock)
        watcher.start()
        yield Street(where, clock, queue, registry, watcher)
