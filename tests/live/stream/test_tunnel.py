"""RTSP through HTTP, against a server that asks for a password."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import RedirectError, StreamError
from cv_engine.live.stream.tunnel import HttpTunnel

_PATIENCE_S = 60.0
_CHALLENGE = b'HTTP/1.0 401 X\r\nWWW-Authenticate: Digest realm="x", nonce="1", qop="auth"\r\n\r\n'
_OK = b"HTTP/1.0 200 OK\r\n\r\n"


@contextmanager
def _server(*responses: bytes, others: int = 0) -> Iterator[tuple[Address, list[str]]]:
    """Gives a response to each connection in turn, none to ``others``; keeps what it hears."""
    heard: list[str] = []
    lines: list[socket.socket] = []

    def serve() -> None:
        for _ in range(len(responses) + others):
            line, _ = server.accept()
            lines.append(line)
            text = b""
            while b"\r\n\r\n" not in text:
                text += line.recv(4096)
            heard.append(text.decode())
            if len(lines) <= len(responses):
                line.sendall(responses[len(lines) - 1])
            else:
                threads.append(threading.Thread(target=listen, args=(line, len(heard) - 1)))
                threads[-1].start()

    def listen(line: socket.socket, number: int) -> None:
        while more := line.recv(4096):
            heard[number] += more.decode()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = server.getsockname()[1]
            yield Address.of(f"rtsp://u:s3cret@127.0.0.1:{port}/live?a=b", transport="http"), heard
        finally:
            thread.join(_PATIENCE_S)  # then no more threads are started
            for each in threads:
                each.join(_PATIENCE_S)
            for line in lines:
                line.close()


def test_both_directions_have_one_cookie_and_the_password_is_hashed() -> None:
    with _server(_CHALLENGE, _OK + b"early", others=1) as (address, heard):
        tunnel = HttpTunnel(address, _PATIENCE_S)
        buffer = bytearray(3)
        assert [tunnel.recv_into(memoryview(buffer)), bytes(buffer)] == [3, b"ear"]
        assert [tunnel.recv_into(memoryview(buffer)), bytes(buffer)[:2]] == [2, b"ly"]
        tunnel.sendall(b"OPTIONS * RTSP/1.0\r\n\r\n")
        tunnel.close()
    first, second, post = heard
    assert first.startswith("GET /live?a=b HTTP/1.0\r\n") and "Authorization" not in first
    assert 'uri="/live?a=b"' in second and "s3cret" not in "".join(heard)
    assert post.startswith("POST /live?a=b HTTP/1.0\r\n") and "nc=00000002" in post
    assert len({re.findall("x-sessioncookie: (.*)\r", each)[0] for each in heard}) == 1
    head, _, body = post.partition("\r\n\r\n")
    assert "Content-Length: 32767" in head
    assert base64.b64decode(body) == b"OPTIONS * RTSP/1.0\r\n\r\n"


def test_another_request_is_made_where_the_length_of_one_is_used_up() -> None:
    with _server(_OK, others=4) as (address, heard):
        tunnel = HttpTunnel(address, _PATIENCE_S)
        for _ in range(30):
            tunnel.sendall(b"x" * 3000)
        tunnel.close()
    bodies = [base64.b64decode(each.partition("\r\n\r\n")[2]) for each in heard[1:]]
    assert [len(body) for body in bodies] == [24_000, 24_000, 24_000, 18_000]


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        ((_CHALLENGE, _CHALLENGE), "refuses user or password"),
        ((b"HTTP/1.1 404 Not Found\r\n\r\n",), "the camera answers: 404 Not Found"),
        ((b"SSH-2.0-OpenSSH\r\n\r\n",), "not a stream"),
        ((b"x" * 20_000,), "not a stream"),
    ],
)
def test_a_refusal_is_reported(responses: tuple[bytes, ...], message: str) -> None:
    with _server(*responses) as (address, _), pytest.raises(StreamError, match=message):
        HttpTunnel(address, _PATIENCE_S)


def test_a_redirect_is_to_the_same_stream_by_rtsp() -> None:
    moved = b"HTTP/1.0 302 X\r\nLocation: https://cam/other\r\n\r\n"
    with _server(moved) as (address, _), pytest.raises(RedirectError) as caught:
        HttpTunnel(address, _PATIENCE_S)
    assert caught.value.url == "rtsps://cam/other"
