"""The HTTP server, from its socket to its end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI

from cv_engine.service.errors import ServiceError

_STOP_S = 10  # for requests that are under way when the server is to stop
_HEADER_BYTES = 64 * 1024  # of a request
_BACKLOG = 1024  # connections that wait to be accepted


class Server(uvicorn.Server):
    """Serves one application; streams of events end when the server is to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to whoever runs the server."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, end the streams, and wait for what is under way."""
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.stopping.set()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """End the server; the second time without waiting for requests that are under way."""
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """The socket of a server.

    Args:
        host: Name or address of this machine.
        port: Number of the port; 0 takes a free one.

    Raises:
        ServiceError: The address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ServiceError(
            f"{host}:{port} cannot be served ({why}): choose another --port, or an address of this "
            "machine with --host",
            HTTPStatus.SERVICE_UNAVAILABLE,
        ) from None


def server_of(app: FastAPI) -> Server:
    """A server for an application; it logs nothing by itself."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        proxy_headers=False,  # the application's own matter
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )
    return Server(config)


def serve(app: FastAPI, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; a second signal does not wait for requests.

    Args:
        app: The application.
        listener: The socket, from :func:`listen`.
        ready: Called once requests are answered.
    """

    async def run() -> None:
        server = server_of(app)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            ready()
        await serving

    asyncio.run(run())
