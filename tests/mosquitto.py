"""A real MQTT broker, which may be away and come back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

_LONGEST_S = 60.0  # a busy machine takes its time


class Mosquitto:
    """A broker on a free port of this machine; what it keeps is on disk.

    Attributes:
        folder: The folder of its files.
        port: The port.
    """

    def __init__(self, folder: Path) -> None:
        found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            pytest.skip("no mosquitto is installed")
        self._program = found
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def start(self, *settings: str) -> None:
        """Start, and wait until the port answers.

        Args:
            *settings: Lines of the configuration; one of them says who may connect, if not all.
        """
        config, log = self.folder / "mosquitto.conf", self.folder / "log"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            *settings,
        ]
        if not any("allow_anonymous" in line for line in settings):
            lines.append("allow_anonymous true")
        if os.geteuid() == 0:
            lines.append("user root")  # otherwise it becomes a user who may not write the folder
        config.write_text("\n".join(lines) + "\n")
        with log.open("ab") as output:
            command = [self._program, "-c", str(config)]
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        until = time.monotonic() + _LONGEST_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, log.read_text()
                assert time.monotonic() < until, "the broker does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop; sessions and messages are written to disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_LONGEST_S)
            self._process = None

    def restart(self, *settings: str) -> None:
        """Stop, and start with other settings."""
        self.stop()
        self.start(*settings)

    @contextmanager
    def subscribed(self, topic: str = "#", **login: Any) -> Iterator[list[tuple[str, bytes]]]:
        """What arrives under a topic while the block runs."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        found: list[tuple[str, bytes]] = []
        ready = Event()
        client = Client(CallbackAPIVersion.VERSION2)
        if login:
            client.username_pw_set(**login)

        def subscribe(*_: object) -> None:
            client.subscribe(topic, qos=1)

        client.on_connect = subscribe
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _, __, message: found.append(
            (message.topic, bytes(message.payload))
        )
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            assert ready.wait(_LONGEST_S)
            yield found
        finally:
            client.disconnect()
            client.loop_stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets everybody in, until a test restarts it with other settings."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
