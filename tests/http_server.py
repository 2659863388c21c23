"""A small HTTP server for tests, which answers POST requests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self


class PostServer(ABC):
    """A server on a free port of loopback, as long as its ``with`` block runs.

    Attributes:
        answers: The content type of the answers.
        takes: The content type that requests must have; any if empty.
    """

    answers: ClassVar[str]
    takes: ClassVar[str] = ""

    @abstractmethod
    def answer(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body for a request."""

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert server.takes in ("", self.headers["Content-Type"])
                request = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = server.answer(request)
                self.send_response(status)
                self.send_header("Content-Type", server.answers)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
