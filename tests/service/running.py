"""A real server on a free port, in a thread, as long as a block runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from fastapi import FastAPI

from cv_engine.service.serving import Server, listen, server_of

_LIMIT_S = 60.0  # generous: the machine may be busy


@contextmanager
def running(app: FastAPI) -> Iterator[tuple[Server, str]]:
    """Serve an application; yields the server and its address."""
    listener = listen("127.0.0.1", 0)
    server = server_of(app)
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        until = time.monotonic() + _LIMIT_S
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until
            time.sleep(0.005)
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
        thread.join(_LIMIT_S)
        listener.close()
        assert not thread.is_alive()
