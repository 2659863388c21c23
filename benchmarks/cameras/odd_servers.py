"""Servers that are none: they take connections and then never answer, or answer with garbage."""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

_WAITING_CLIENTS = 512
_TICK_S = 0.05  # how often garbage is sent, and how long closing takes at most
_GARBAGE_BYTES = 16_384  # to each client at a tick: 2.6 Mbit/s, as much as a camera sends


class SilentServer:
    """Takes any number of connections on one thread and never answers.

    Attributes:
        url: An address of a camera that it pretends to be.
        connections: How many connections there were.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_WAITING_CLIENTS)
        self._socket.setblocking(False)
        self.url = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/odd"
        self.connections = 0
        self._clients: set[socket.socket] = set()
        self._runs = True
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runs = False
        self._thread.join()
        self._socket.close()
        for client in self._clients:
            client.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while self._runs:
                for key, _ in selector.select(_TICK_S):
                    if key.fileobj is self._socket:
                        client, _address = self._socket.accept()
                        client.setblocking(False)
                        self.connections += 1
                        self._clients.add(client)
                        selector.register(client, selectors.EVENT_READ)
                    elif isinstance(key.fileobj, socket.socket) and not self._hear(key.fileobj):
                        selector.unregister(key.fileobj)
                        self._drop(key.fileobj)
                self._speak()

    def _hear(self, client: socket.socket) -> bool:
        """Takes what a client says; whether it is still there."""
        try:
            return bool(client.recv(65_536))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _drop(self, client: socket.socket) -> None:
        self._clients.discard(client)
        client.close()

    def _speak(self) -> None:
        """Says nothing."""


class GarbageServer(SilentServer):
    """Sends random bytes without an end to everybody who connects.

    Args:
        opening: What comes before the garbage, such as the first line of a sound answer.
    """

    def __init__(self, opening: bytes = b"") -> None:
        super().__init__()
        self._opening = opening
        self._greeted: set[socket.socket] = set()
        self._random = random.Random(0)
        self._due_s = 0.0

    def _drop(self, client: socket.socket) -> None:
        self._greeted.discard(client)
        super()._drop(client)

    def _speak(self) -> None:
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + _TICK_S
        garbage = self._random.randbytes(_GARBAGE_BYTES)
        for client in self._clients:
            said = garbage if client in self._greeted else self._opening + garbage
            self._greeted.add(client)
            try:
                client.send(said)
            except OSError:  # its buffer is full, or it is gone, which the next reading finds
                continue
