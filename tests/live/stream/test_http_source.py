"""HLS and HTTP from a real server: hosts, redirects, passwords and certificates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.tls import Trust
from tests.live.stream.certificates import HOST, identity, server_context

_FRAMES = 20
_OTHER = "localhost"  # another name of this machine
_KEY, _IV = bytes(range(16)), bytes(16)


@dataclass
class Site:
    """A web server.

    Attributes:
        files: Content by path.
        moved: Where a path has moved to.
        password: What ``viewer`` has to send by Basic; empty where nothing is asked for.
        asked: Requests: path, host and ``Authorization``.
    """

    files: dict[str, bytes]
    moved: dict[str, str] = field(default_factory=dict)
    password: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, authorization = self.site, self.headers.get("Authorization", "")
        site.asked.append((self.path, self.headers["Host"].partition(":")[0], authorization))
        if self.path in site.moved:
            self._answer(302, b"", Location=site.moved[self.path])
        elif site.password and not authorization:
            self._answer(401, b"", **{"WWW-Authenticate": 'Basic realm="cam"'})
        elif self.path not in site.files:
            self._answer(404, b"")
        else:
            body = site.files[self.path]
            if part := self.headers.get("Range"):
                begin, _, end = part.removeprefix("bytes=").partition("-")
                body = body[int(begin) : int(end) + 1 if end else None]
            self._answer(206 if part else 200, body)

    def _answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def _served(site: Site, server: ThreadingHTTPServer | None = None) -> Iterator[Site]:
    handler = type("Handler", (_Handler,), {"site": site})
    server = server or ThreadingHTTPServer((HOST, 0), handler)
    server.RequestHandlerClass = handler
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("hls") / "a.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "5", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(_FRAMES):
            image = np.full((48, 64, 3), number * 9, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return path.read_bytes()


def _playlist(*segments: str, key: str = "") -> bytes:
    entries = "".join(f"#EXTINF:2.0,\n{each}\n" for each in segments)
    head = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return f"{head}{key}{entries}#EXT-X-ENDLIST\n".encode()


def _frames(address: Address) -> tuple[int, str]:
    """Frames that come, and why no more."""
    connection, count = Connection(address, stall_s=10.0), 0
    try:
        for _ in connection:
            count += 1
    except StreamError as error:
        return count, str(error)
    finally:
        connection.close()
    raise AssertionError("a stream ends with an error")


def test_playlist_and_segments_of_the_camera_s_own_host_are_read(segment: bytes) -> None:
    with _served(Site({"/live.m3u8": _playlist("a.ts"), "/a.ts": segment})) as site:
        found = _frames(Address.of(f"http://{HOST}:{site.port}/live.m3u8"))
    assert found == (_FRAMES, "the stream has ended")


def test_a_segment_on_another_host_is_read_only_where_the_host_is_allowed(segment: bytes) -> None:
    files = {"/a.ts": segment}
    with _served(Site(files)) as site:
        files["/live.m3u8"] = _playlist("a.ts", f"http://{_OTHER}:{site.port}/a.ts")
        url = f"http://{HOST}:{site.port}/live.m3u8"
        count, why = _frames(Address.of(url))
        assert count < 2 * _FRAMES
        assert why.startswith(f"the camera names an address on another host, {_OTHER}; set url")
        assert "allow_hosts" in why
        assert all(host == HOST for _, host, _ in site.asked), "the other host is never asked"
        assert _frames(Address.of(url, allow_hosts=[_OTHER]))[0] > _FRAMES


def test_a_redirect_to_another_host_is_followed_only_where_it_is_allowed(segment: bytes) -> None:
    files = {"/there/live.m3u8": _playlist("a.ts"), "/there/a.ts": segment}
    with _served(Site(files)) as site:
        site.moved["/live.m3u8"] = f"http://{_OTHER}:{site.port}/there/live.m3u8"
        url = f"http://{HOST}:{site.port}/live.m3u8"
        with pytest.raises(StreamError, match=r"another host, localhost; .* allow_hosts"):
            Connection(Address.of(url), stall_s=10.0)
        assert [host for _, host, _ in site.asked] == [HOST]
        # Relative addresses start where the playlist was found.
        assert _frames(Address.of(url, allow_hosts=[_OTHER]))[0] == _FRAMES


@pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//[bad/x"])
def test_other_protocols_are_never_followed(there: str) -> None:
    with _served(Site({}, moved={"/live.m3u8": there})) as site, pytest.raises(StreamError):
        Connection(Address.of(f"http://{HOST}:{site.port}/live.m3u8"), stall_s=10.0)
    with _served(Site({"/live.m3u8": _playlist(there)})) as site:
        count, _ = _frames_or_error(Address.of(f"http://{HOST}:{site.port}/live.m3u8"))
        assert count == 0


def _frames_or_error(address: Address) -> tuple[int, str]:
    try:
        return _frames(address)
    except StreamError as error:
        return 0, str(error)


def test_a_password_is_sent_where_it_is_asked_for_and_stands_in_no_address(segment: bytes) -> None:
    files = {"/live.m3u8": _playlist("a.ts"), "/a.ts": segment}
    with _served(Site(files, password="s3#cret")) as site:
        url = f"http://{HOST}:{site.port}/live.m3u8"
        assert _frames(Address.of(url, "viewer", "s3#cret"))[0] == _FRAMES
        assert not any("s3" in path for path, _, _ in site.asked)
        with pytest.raises(StreamError, match="asks for a user and a password"):
            Connection(Address.of(url), stall_s=10.0)


def test_what_is_missing_is_said(segment: bytes) -> None:
    with _served(Site({})) as site, pytest.raises(StreamError, match="answers: 404 Not Found"):
        Connection(Address.of(f"http://u:s3cret@{HOST}:{site.port}/x.m3u8"), stall_s=10.0)


def test_parts_of_a_file_and_encrypted_segments_are_read(segment: bytes) -> None:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES128(_KEY), modes.CBC(_IV)).encryptor()
    hidden = encryptor.update(padder.update(segment) + padder.finalize()) + encryptor.finalize()
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="k.bin",IV=0x{_IV.hex()}\n'
    part = f"#EXT-X-BYTERANGE:{len(segment)}@100\nall.bin.ts"
    files = {
        "/hidden.m3u8": _playlist("a.ts", key=key),
        "/a.ts": hidden,
        "/k.bin": _KEY,
        "/part.m3u8": _playlist(part),
        "/all.bin.ts": bytes(100) + segment + bytes(100),
    }
    with _served(Site(files)) as site:
        for name in ("hidden", "part"):
            assert _frames(Address.of(f"http://{HOST}:{site.port}/{name}.m3u8"))[0] == _FRAMES, name


def test_https_trusts_what_the_camera_s_settings_say(segment: bytes, tmp_path: Path) -> None:
    shown = identity()
    files = {"/live.m3u8": _playlist("a.ts"), "/a.ts": segment}
    server = ThreadingHTTPServer((HOST, 0), _Handler)
    server.socket = server_context(shown, tmp_path).wrap_socket(server.socket, server_side=True)
    with _served(Site(files), server) as site:
        url = f"https://{HOST}:{site.port}/live.m3u8"
        with pytest.raises(StreamError, match=f"sha256:{shown.fingerprint}"):
            Connection(Address.of(url), stall_s=10.0)
        assert not site.asked
        for trust in (
            Trust(fingerprint=shown.fingerprint),
            Trust(ca=shown.write(tmp_path / "own.pem")),
            Trust(verify=False),
        ):
            assert _frames(Address.of(url, trust=trust))[0] == _FRAMES
        site.moved["/live.m3u8"] = f"http://{HOST}:{site.port}/a.ts"
        with pytest.raises(StreamError, match="an address without TLS"):
            Connection(Address.of(url, trust=Trust(verify=False)), stall_s=10.0)
