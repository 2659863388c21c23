"""A web server whose clients may be killed at any moment."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler


class KilledClients(BaseHTTPRequestHandler):
    """Answers requests, says nothing of them, and takes a lost connection for the end of one."""

    def handle(self) -> None:
        """Answer the requests of a connection until its end."""
        with suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""
