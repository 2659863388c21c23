"""Machines of a Ray cluster, simulated on this one: each with its own name, address and data."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_RAY = Path(sys.executable).with_name("ray")
_STORE_BYTES = 80 * 2**20  # the least that Ray takes
_START_S = 90.0  # a busy machine takes its time
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
# Namespaces of processes, mounts and host name; when the first process ends, all of them end.
_ISOLATED = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount", "--uts"]
# Mounts the machine's own data folder at the path that all machines use.
_BEGIN = 'hostname "$1" && mount --bind "$2" "$3" && shift 3 && exec "$@"'


def available() -> str | None:
    """Why machines cannot be simulated here; ``None`` where they can."""
    if not _RAY.exists():
        return "ray is not installed"
    try:
        done = subprocess.run([*_isolated(), "true"], capture_output=True, text=True)
    except OSError as error:
        return f"unshare cannot be run: {error}"
    return f"no namespaces can be made: {done.stderr.strip()}" if done.returncode else None


class Machines:
    """A cluster whose machines can be lost.

    Args:
        folder: Folder of the logs and of the machines' data.
        data: The path of the data folder on every machine.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        missing = available()
        if missing is not None:
            pytest.skip(missing)
        folder.mkdir()
        self._folder = folder
        self._data = data
        # For sockets, whose paths must be short.
        self._session = Path(tempfile.mkdtemp(prefix="ray"))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"127.0.0.1:{_free_port()}"

    def __enter__(self) -> Self:
        """Starts the head: this machine, under its own name."""
        _, _, port = self.address.partition(":")
        head = ["--head", "--port", port, "--include-dashboard=false"]
        try:
            self._start("head", [], [*head, "--temp-dir", str(self._session)], "127.0.0.1")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all machines."""
        head = self._running.pop("head", None)
        for name in list(self._running):
            self.lose(name)
        if head is not None:
            head.terminate()  # which ends all processes that it has started
            head.wait(_START_S)
        shutil.rmtree(self._session, ignore_errors=True)

    def add(self, name: str) -> None:
        """Starts a machine, and waits until it has joined."""
        own = self._folder / name
        own.mkdir()
        begin = [*_isolated(), "sh", "-c", _BEGIN, "sh", name, str(own), str(self._data)]
        address = f"127.0.0.{len(self._running) + 1}"
        self._start(name, begin, ["--address", self.address], address)

    def lose(self, name: str) -> None:
        """Ends all processes of a machine without notice (SIGKILL)."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _start(self, name: str, begin: list[str], how: list[str], address: str) -> None:
        node = ["--node-ip-address", address, "--object-store-memory", str(_STORE_BYTES)]
        ports = ["--dashboard-agent-listen-port", str(_free_port()), "--num-cpus=1"]
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                [*begin, str(_RAY), "start", *how, *node, *ports, "--block"],
                env={**os.environ, **_QUIET},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while not re.search("Ray runtime started", self._log(name).read_text("utf-8", "replace")):
            ended = self._running[name].poll() is not None
            assert not ended and time.monotonic() < deadline, self._log(name).read_text()
            time.sleep(0.1)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _isolated() -> list[str]:
    return [*_ISOLATED, *([] if os.geteuid() == 0 else ["--map-root-user"])]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
