"""The server: its port, and its end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cv_engine.config import Config
from cv_engine.service.app import create_app
from cv_engine.service.errors import ServiceError
from cv_engine.service.serving import listen
from tests.clock import Clock
from tests.service.running import running


def test_a_request_that_is_under_way_is_answered_before_the_server_ends(
    config: Config, clock: Clock
) -> None:
    app = create_app(config, clock)
    arrived, release = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        arrived.set()
        assert release.wait(60)
        return "done"

    with ThreadPoolExecutor() as pool:
        with running(app) as (server, address):
            answer = pool.submit(httpx.get, f"{address}/slow", timeout=60)
            assert arrived.wait(60)
            server.stop()
            release.set()
        assert answer.result().json() == "done"


def test_a_port_that_is_taken_is_named() -> None:
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(ServiceError, match="choose another --port"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServiceError, match="--host"):
        listen("192.0.2.1", 0)
