"""A gateway that is spoken to with plain HTTP: a real server answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.notices.errors import InDoubt
from cv_engine.notices.gateways.gateway import Message, Outcome
from cv_engine.notices.gateways.http import HttpGateway

_NOW = datetime(2026, 5, 1, 4, tzinfo=UTC)
_MESSAGE = Message("key-1", "+8613800000000", '请在10分钟内驶离 {to} "now"')


class Server:
    """A gateway's server: keeps the requests, and answers what the test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.status, self.body, self.headers = 201, b'{"data": [{"id": 17}]}', {"x": "y"}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                self._keep(json.loads(data))

            def do_GET(self) -> None:
                self._keep(None)

            def _keep(self, body: Any) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers, body))
                if outer.status == 0:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/messages"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as running:
        yield running


def _gateway(url: str, **more: Any) -> HttpGateway:
    body = {"message": {"to": ["{to}"], "content": "{text}", "ref": "cv-{key}", "flash": False}}
    given = {"body": body, "id_pointer": "/data/0/id", "report_url": f"{url}/{{id}}", **more}
    return HttpGateway(url=url, clock=lambda: _NOW, **given)


def test_a_message_is_one_request_with_key_and_headers(server: Server) -> None:
    with closing(_gateway(server.url, headers={"Authorization": "Bearer t"})) as gateway:
        assert gateway.send(_MESSAGE) == "17"
    ((path, headers, body),) = server.requests
    assert path == "/messages"
    assert (headers["idempotency-key"], headers["authorization"]) == ("key-1", "Bearer t")
    assert body == {
        "message": {
            "to": ["+8613800000000"],
            "content": '请在10分钟内驶离 {to} "now"',
            "ref": "cv-key-1",
            "flash": False,
        }
    }


def test_a_gateway_without_keys_gets_none(server: Server) -> None:
    with closing(_gateway(server.url, key_header=None)) as gateway:
        assert not gateway.is_idempotent
        gateway.send(_MESSAGE)
    assert "idempotency-key" not in server.requests[0][1]


@pytest.mark.parametrize("body", [b"", b"OK", b"[]", b'{"data": []}', b'{"data": [{"id": true}]}'])
def test_an_answer_without_number_is_taken_without_report(server: Server, body: bytes) -> None:
    server.body = body
    with closing(_gateway(server.url)) as gateway:
        assert gateway.send(_MESSAGE) is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *((400, Refused), (422, Refused), (410, Refused)),
        *((401, OutletAway), (404, OutletAway), (429, OutletAway), (503, OutletAway)),
        *((302, OutletAway), (425, RetryLater)),
        *((408, InDoubt), (409, InDoubt), (500, InDoubt), (502, InDoubt), (504, InDoubt)),
        *((599, InDoubt), (0, InDoubt)),
    ],
)
def test_what_an_answer_means(server: Server, status: int, meaning: type[Exception]) -> None:
    server.status = status
    with closing(_gateway(server.url)) as gateway, pytest.raises(meaning) as caught:
        gateway.send(_MESSAGE)
    assert type(caught.value) is meaning
    assert len(server.requests) == 1


def test_a_gateway_says_when_to_come_again(server: Server) -> None:
    server.status, server.headers = 429, {"retry-after": "120"}
    with closing(_gateway(server.url)) as gateway, pytest.raises(OutletAway) as caught:
        gateway.send(_MESSAGE)
    assert caught.value.after_s == 120


def test_a_gateway_that_is_not_there_has_not_taken_the_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    gateway = _gateway(f"http://127.0.0.1:{port}/messages")
    with closing(gateway), pytest.raises(OutletAway, match="no connection"):
        gateway.send(_MESSAGE)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"state": "delivered"}', Outcome.DELIVERED),
        (b'{"state": "expired"}', Outcome.UNDELIVERED),
        (b'{"state": "queued"}', Outcome.PENDING),
    ],
)
def test_a_report_is_asked_for_by_the_number(server: Server, body: bytes, outcome: Outcome) -> None:
    server.status, server.body = 200, body
    with closing(_gateway(server.url, report_pointer="/state")) as gateway:
        assert gateway.reports
        assert gateway.report("17/a").outcome is outcome
    assert server.requests[0][0] == "/messages/17%2Fa"


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"{}"), (200, b"x"), (0, b"")])
def test_a_report_that_does_not_come_is_asked_for_later(
    server: Server, status: int, body: bytes
) -> None:
    server.status, server.body = status, body
    with closing(_gateway(server.url)) as gateway, pytest.raises(RetryLater):
        gateway.report("17")
