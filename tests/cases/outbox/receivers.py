"""Those who receive events in the tests: a web server, a mail server, a plain list."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any

from benchmarks.harness.web_server import KilledClients
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.outlet import EVERYTHING, Selection

LONGEST_S = 60.0  # a busy machine takes its time


@dataclass
class Receiver:
    """An outlet that keeps what it gets; ``answer`` may raise what an outlet raises."""

    name: str = "city"
    selection: Selection = EVERYTHING
    at_once: int = 1
    every_s: float = 0.0
    answer: Callable[[Sequence[CaseEvent]], None] = lambda events: None
    opened: Callable[[datetime], bool] = lambda now: True
    messages: list[list[str]] = field(default_factory=list)

    def is_open(self, now: datetime) -> bool:
        return self.opened(now)

    def send(self, events: Sequence[CaseEvent]) -> None:
        self.answer(events)
        self.messages.append([event.key for event in events])

    def close(self) -> None:
        pass

    @property
    def keys(self) -> list[str]:
        return [key for message in self.messages for key in message]


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class WebServer:
    """A web server that keeps the requests; the next answers are those of ``answers``, then 200."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.before_answer: Callable[[], None] = lambda: None
        outer = self

        class Handler(KilledClients):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append(Request(self.path, headers, body))
                outer.before_answer()
                status, more = outer.answers.pop(0) if outer.answers else (200, {})
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailServer:
    """An SMTP server that keeps the messages; those to ``refused`` are refused."""

    def __init__(self, refused: str = "gone@city.example") -> None:
        self.messages: list[str] = []
        self._refused = refused
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(LONGEST_S)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(maxsplit=1)[0].upper()
            if verb == "DATA":
                writer.write(b"354 send it\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.messages.append(text.decode())
            refused = verb == "RCPT" and self._refused in line
            writer.write(b"550 no such user\r\n" if refused else b"250 ok\r\n")
            if verb == "QUIT":
                break
        writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def until(holds: Callable[[], object]) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + LONGEST_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
