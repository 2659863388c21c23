"""Where an RTSP camera's redirect is followed to."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cv_engine.live.stream.address import Address, Transport
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.redirects import redirected

_CAMERA = Address.of("rtsp://cam.city:554/one", "viewer", "s3cret", allow_hosts=["relay.city"])


@pytest.mark.parametrize(
    ("there", "url"),
    [
        ("rtsp://cam.city:8554/two", "rtsp://cam.city:8554/two"),
        ("/two", "rtsp://cam.city:554/two"),
        ("rtsp://Relay.city/two?x=1", "rtsp://relay.city/two?x=1"),
        ("rtsp://other:else@relay.city/two", "rtsp://relay.city/two"),
        ("rtsps://cam.city/two", "rtsps://cam.city/two"),
    ],
)
def test_the_camera_s_own_host_and_those_allowed_are_followed(there: str, url: str) -> None:
    address = redirected(_CAMERA, there)
    assert (address.url, address.user, address.password) == (url, "viewer", "s3cret")


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ("rtsp://evil.city/two", "another host, evil.city; set url to it, or list the host"),
        ("rtsp://cam.city.evil/two", "another host, cam.city.evil"),
        ("rtsp://cam.city@evil.city/two", "another host, evil.city"),
        ("file:///etc/passwd", "another host"),
        ("http://cam.city/two", "not rtsp"),
        ("rtsp://[bad/two", "an address that is none"),
        ("rtsp://cam.city:99999/two", "an address that is none"),
    ],
)
def test_other_addresses_are_refused_without_secrets(there: str, why: str) -> None:
    with pytest.raises(StreamError, match=why) as caught:
        redirected(_CAMERA, there)
    assert "s3cret" not in str(caught.value)


def test_tls_is_not_dropped() -> None:
    secure = Address.of("rtsps://cam.city/one", "viewer", "s3cret")
    with pytest.raises(StreamError, match="not rtsps"):
        redirected(secure, "rtsp://cam.city/two")


@contextmanager
def _camera(answers: dict[str, str], asked: list[str]) -> Iterator[int]:
    """An RTSP server that gives an answer to each method, and 404 to others; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    while request := line.recv(1 << 14).decode():
                        asked.append(request)
                        number = re.search(r"CSeq: \d+", request)
                        answer = answers.get(request.partition(" ")[0], "404 Not Found")
                        status, _, headers = answer.partition("\r\n")
                        text = f"RTSP/1.0 {status}\r\n{number and number[0]}\r\n{headers}\r\n"
                        line.sendall(text.encode())

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("by_ffmpeg", [False, True])
def test_no_reader_gives_the_password_to_a_host_that_is_not_allowed(
    transport: Transport, *, by_ffmpeg: bool
) -> None:
    locked = {"OPTIONS": '401 Who\r\nWWW-Authenticate: Basic realm="b"\r\n'}
    there: list[str] = []
    with _camera(locked, there) as other:
        moved = {
            "OPTIONS": "200 OK",
            "DESCRIBE": f"302 Moved\r\nLocation: rtsp://localhost:{other}/x\r\n",
        }
        with _camera(moved, []) as port:
            url = f"rtsp://127.0.0.1:{port}/x"
            address = Address.of(url, "viewer", "s3cret", transport=transport)
            with pytest.raises(StreamError, match="another host, localhost"):
                Connection(address, stall_s=5.0, by_ffmpeg=by_ffmpeg)
            assert there == []
            allowed = replace(address, allow_hosts=frozenset({"localhost"}))
            with pytest.raises(StreamError):
                Connection(allowed, stall_s=5.0, by_ffmpeg=by_ffmpeg)
            assert any("Authorization" in request for request in there)
