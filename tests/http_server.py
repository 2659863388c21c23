"""Small HTTP servers for tests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self


class Answering(BaseHTTPRequestHandler):
    """Answers requests, and says nothing of them."""

    def body(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status: int, kind: str, content: bytes) -> None:
        """Answer with content of a media type."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


class LocalServer(ABC):
    """A server on a free port of loopback, as long as its ``with`` block runs."""

    @abstractmethod
    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers the requests."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port."""
        return self._server.server_port


class PostServer(LocalServer):
    """A server that answers POST requests.

    Attributes:
        answers: The content type of the answers.
        takes: The content type that requests must have; any if empty.
    """

    answers: ClassVar[str]
    takes: ClassVar[str] = ""

    @abstractmethod
    def answer(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body for a request."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers the requests."""
        server = self

        class Handler(Answering):
            def do_POST(self) -> None:
                assert server.takes in ("", self.headers["Content-Type"])
                status, content = server.answer(self.body())
                self.answer(status, server.answers, content)

        return Handler
