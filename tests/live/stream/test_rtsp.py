"""Sessions with cameras that answer oddly, played by a script; `test_connection` has real ones."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.bitstream.nal_units import START_CODE
from cv_engine.live.stream.direct import DirectStream
from cv_engine.live.stream.errors import RedirectError, StreamError, UnknownFormatError
from cv_engine.live.stream.rtsp import Session, _channels
from tests.live.encoded_frames import encoded_frames, units_of
from tests.video.recordings import record, times

_PATIENCE_S = 60.0  # nothing takes so long, on however busy a machine
_SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"
_KINDS = {"DESCRIBE": b"Content-Type: application/sdp\r\n"}
_SESSION = b"Session: 12345678;timeout=2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n"


@dataclass
class _Camera:
    """A camera that answers each request by a script.

    Attributes:
        line: The connection.
        asked: All requests so far.
        numbers: Whether responses have a CSeq number.
    """

    line: socket.socket
    asked: list[str] = field(default_factory=list)
    numbers: bool = True
    _rest: bytes = b""

    def request(self) -> str:
        """The next request's method; empty where the connection has been closed."""
        while b"\r\n\r\n" not in self._rest:
            try:
                more = self.line.recv(4096)
            except OSError:
                more = b""
            if not more:
                return ""
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\r\n\r\n")
        self.asked.append(text.decode())
        return self.asked[-1].split(" ")[0]

    def answer(self, status: bytes = b"200 OK", headers: bytes = b"", body: bytes = b"") -> None:
        number = re.search(r"CSeq: (\d+)", self.asked[-1])
        assert number is not None
        if self.numbers:
            headers += b"CSeq: %s\r\n" % number[1].encode()
        if body:
            headers += b"Content-Length: %d\r\n" % len(body)
        self.line.sendall(b"RTSP/1.0 %s\r\n" % status + headers + b"\r\n" + body)

    def set_up(self) -> None:
        """Answers all requests up to PLAY, which is not answered yet."""
        while (method := self.request()) not in ("PLAY", ""):
            body = _SDP if method == "DESCRIBE" else b""
            headers = _SESSION if method == "SETUP" else _KINDS.get(method, b"")
            self.answer(headers=headers, body=body)

    def send(self, channel: int, *packets: bytes) -> None:
        for packet in packets:
            self.line.sendall(b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet)


@contextmanager
def _playing(script: Callable[[_Camera], None]) -> Iterator[tuple[Address, list[_Camera]]]:
    cameras: list[_Camera] = []

    def serve() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            cameras.append(_Camera(line))
            with line:
                script(cameras[-1])

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = server.getsockname()[1]
            yield Address.of(f"rtsp://viewer:s3cret@127.0.0.1:{port}/live?a=b"), cameras
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(_PATIENCE_S)


def _until_closed(camera: _Camera) -> None:
    while camera.request():
        pass


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (b"404 Not Found", "the camera answers: 404 Not Found"),
        (b"503 Service Unavailable", "the camera answers: 503 Service Unavailable"),
        (b"401 Unauthorized", "the camera refuses user or password"),
    ],
)
def test_a_refusal_is_reported(status: bytes, message: str) -> None:
    def script(camera: _Camera) -> None:
        camera.request()
        camera.answer()
        camera.request()
        camera.answer(status)

    with _playing(script) as (address, _), pytest.raises(StreamError) as caught:
        Session(address, _PATIENCE_S)
    assert str(caught.value) == message


def test_the_password_is_hashed_on_request_and_never_sent_in_the_clear() -> None:
    def script(camera: _Camera) -> None:
        camera.request()
        camera.answer(
            b"401 Unauthorized",
            b'WWW-Authenticate: Basic realm="x"\r\n'
            b'WWW-Authenticate: Digest realm="x", nonce="1"\r\n',
        )
        camera.set_up()

    with _playing(script) as (address, cameras):
        session = Session(address, _PATIENCE_S)
        session.play()
        session.close()
    first, *later = cameras[0].asked
    assert "Authorization" not in first
    assert all('Digest username="viewer"' in request for request in later)
    assert "s3cret" not in "".join(cameras[0].asked)
    whole = address.url.partition("?")[0]
    setup = next(request for request in later if request.startswith("SETUP"))
    assert setup.startswith(f"SETUP {whole}?a=b/trackID=1 RTSP/1.0"), "as FFmpeg does it"


def test_a_wrong_password_is_tried_once() -> None:
    def script(camera: _Camera) -> None:
        while camera.request():
            camera.answer(b"401 Unauthorized", b'WWW-Authenticate: Digest realm="x", nonce="1"\r\n')

    with _playing(script) as (address, cameras), pytest.raises(StreamError, match="refuses"):
        Session(address, _PATIENCE_S)
    assert len(cameras[0].asked) == 2


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        (b"Location: rtsp://elsewhere/\r\n", RedirectError),
        (b"Content-Type: text/html\r\n", UnknownFormatError),
    ],
)
def test_redirects_and_unknown_formats_are_told_apart(
    headers: bytes, error: type[Exception]
) -> None:
    def script(camera: _Camera) -> None:
        camera.request()
        camera.answer()
        camera.request()
        camera.answer(b"302 Moved" if error is RedirectError else b"200 OK", headers)

    with _playing(script) as (address, _), pytest.raises(error):
        Session(address, _PATIENCE_S)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"220 mail.example.org ESMTP\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 4000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n",
        b"a" * 200,
    ],
)
def test_garbage_is_reported(sent: bytes) -> None:
    def script(camera: _Camera) -> None:
        camera.request()
        camera.line.sendall(sent)
        _until_closed(camera)

    with _playing(script) as (address, _), pytest.raises(StreamError, match="not a stream"):
        Session(address, _PATIENCE_S)


@pytest.mark.parametrize("sent", [b"", b"RTSP/1.0 200 OK\r\nCSe", b"$\x00\xff"])
def test_a_camera_that_never_answers_times_out(sent: bytes) -> None:
    def script(camera: _Camera) -> None:
        camera.line.sendall(sent)
        _until_closed(camera)

    with _playing(script) as (address, _), pytest.raises(TimeoutError):
        Session(address, 0.3)


@cache
def _units() -> tuple[bytes, ...]:
    """The NAL units of a real frame, with its parameter sets."""
    with TemporaryDirectory() as folder:
        (first, *_) = encoded_frames(record(Path(folder) / "a.ts", times(2), gop=1))
    return units_of(bytes(first.packet))


def _frame(number: int) -> list[bytes]:
    """The RTP packets of a frame."""
    packets = []
    for position, unit in enumerate(_units()):
        last = 0x80 if position == len(_units()) - 1 else 0
        count = number * len(_units()) + position
        packets.append(struct.pack(">BBHII", 0x80, 96 | last, count, 3600 * number, 1) + unit)
    return packets


def test_frames_may_arrive_before_the_response_and_on_other_channels() -> None:
    def script(camera: _Camera) -> None:
        camera.set_up()
        camera.send(4, *_frame(0))
        camera.answer()
        camera.line.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        camera.send(0, *_frame(9))  # not one of our channels
        camera.send(4, *_frame(1))
        camera.line.sendall(b"$\x04\xff\xff" + bytes(65_535))
        camera.send(4, *_frame(2), *_frame(3))  # more of the last one may come
        _until_closed(camera)

    with _playing(script) as (address, cameras):
        stream = DirectStream(address, _PATIENCE_S, _PATIENCE_S)
        try:
            found = list(islice(stream, 3))
        finally:
            stream.close()
    assert [round(each.media_s, 2) for each in found] == [0.0, 0.04, 0.08]
    assert [bytes(each.packet) for each in found] == [
        b"".join(START_CODE + u for u in _units())
    ] * 3
    assert (found[0].format.width, found[0].format.height) == (192, 96)
    assert cameras[0].asked[-1].startswith("TEARDOWN")


def test_responses_without_cseq_and_unsupported_methods_are_accepted() -> None:
    def script(camera: _Camera) -> None:
        camera.numbers = False
        assert camera.request() == "OPTIONS"
        camera.answer(b"501 Not Implemented")
        camera.set_up()
        camera.answer()
        camera.send(4, *_frame(0), *_frame(1))
        _until_closed(camera)

    with _playing(script) as (address, _):
        stream = DirectStream(address, _PATIENCE_S, _PATIENCE_S)
        try:
            assert next(iter(stream)).key
        finally:
            stream.close()


def test_sender_reports_alone_time_out() -> None:
    """A camera whose encoder hangs still sends sender reports."""
    stop = threading.Event()

    def script(camera: _Camera) -> None:
        camera.set_up()
        camera.answer()
        while not stop.wait(0.05):
            try:
                camera.send(5, b"\x80\xc8\x00\x06" + bytes(24))
            except OSError:
                return

    with _playing(script) as (address, _):
        stream = DirectStream(address, _PATIENCE_S, 0.5)
        try:
            with pytest.raises(TimeoutError):
                list(stream)
        finally:
            stream.close()
            stop.set()


def test_a_session_is_kept_alive_across_a_new_nonce() -> None:
    def script(camera: _Camera) -> None:
        camera.request()
        camera.answer(headers=b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n")
        camera.set_up()
        camera.answer()
        assert camera.request() == "GET_PARAMETER"
        camera.answer(b"401 Unauthorized", b'WWW-Authenticate: Digest realm="x", nonce="2"\r\n')
        assert camera.request() == "GET_PARAMETER"
        camera.answer()
        camera.send(4, *_frame(0))
        _until_closed(camera)

    with _playing(script) as (address, cameras):
        session = Session(address, _PATIENCE_S)
        session.play()
        now_s = session._keep_alive_at_s
        session.keep_alive(now_s - 0.01)
        session.keep_alive(now_s)
        session.keep_alive(now_s + 0.5)  # half of the timeout has not passed again
        session.fill(_PATIENCE_S)
        while session.packets() == ([], []):
            session.fill(_PATIENCE_S)
        session.close()
    kept = [request for request in cameras[0].asked if request.startswith("GET_PARAMETER")]
    assert len(kept) == 2
    assert "Session: 12345678" in kept[0]
    assert 'nonce="2"' in kept[1]


def test_a_refusal_to_play_and_an_end_are_reported() -> None:
    def refuse(camera: _Camera) -> None:
        camera.set_up()
        camera.answer(b"453 Not Enough Bandwidth")
        _until_closed(camera)

    def end(camera: _Camera) -> None:
        camera.set_up()
        camera.answer()
        camera.send(4, *_frame(0))

    for script, message in ((refuse, "453"), (end, "ended")):
        with _playing(script) as (address, _):
            stream = DirectStream(address, _PATIENCE_S, _PATIENCE_S)
            try:
                with pytest.raises(StreamError, match=message):
                    list(stream)
            finally:
                stream.close()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (b"461 Unsupported transport", b""),
        (b"200 OK", b"Transport: RTP/AVP;unicast;client_port=5000-5001\r\n"),
    ],
)
def test_a_camera_that_sends_over_udp_only_names_the_setting(status: bytes, headers: bytes) -> None:
    def script(camera: _Camera) -> None:
        while (method := camera.request()) not in ("SETUP", ""):
            body = _SDP if method == "DESCRIBE" else b""
            camera.answer(headers=_KINDS.get(method, b""), body=body)
        camera.answer(status, headers)

    with _playing(script) as (address, _), pytest.raises(StreamError, match="set transport: udp"):
        Session(address, _PATIENCE_S)


@pytest.mark.parametrize(
    ("transport", "channels"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=1", (2, 3)),
        ("RTP/AVP/TCP;unicast;interleaved=6", (6, 7)),
        ("RTP/AVP/TCP;unicast;interleaved=0-0", (0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=999-255", (255, 0)),
        ("RTP/AVP/TCP;unicast", (0, 1)),
        ("", (0, 1)),
    ],
)
def test_the_channels_are_those_that_the_camera_names(
    transport: str, channels: tuple[int, int]
) -> None:
    assert _channels(transport) == channels


def test_requests_of_the_camera_are_answered() -> None:
    def script(camera: _Camera) -> None:
        camera.set_up()
        camera.answer()
        for method in ("OPTIONS", "ANNOUNCE"):
            camera.line.sendall(f"{method} * RTSP/1.0\r\nCSeq: 77\r\n\r\n".encode())
            camera.request()
        camera.send(4, *_frame(0), *_frame(1))
        _until_closed(camera)

    with _playing(script) as (address, cameras):
        stream = DirectStream(address, _PATIENCE_S, _PATIENCE_S)
        try:
            assert next(iter(stream)).key
        finally:
            stream.close()
    known, unknown = (text for text in cameras[0].asked if text.startswith("RTSP/"))
    assert known.startswith("RTSP/1.0 200 OK\r\nCSeq: 77\r\nSession: 12345678")
    assert unknown.startswith("RTSP/1.0 501 Not Implemented\r\nCSeq: 77\r\n")


def test_a_camera_that_sends_pictures_without_a_known_format_times_out() -> None:
    stop = threading.Event()

    def script(camera: _Camera) -> None:
        camera.set_up()
        camera.answer()
        number = 0
        while not stop.wait(0.02):
            number += 1
            try:
                camera.send(4, _frame(number)[-1])
            except OSError:
                return

    with _playing(script) as (address, _):
        stream = DirectStream(address, _PATIENCE_S, 1.5)
        try:
            with pytest.raises(StreamError, match="no parameter sets"):
                list(stream)
        finally:
            stream.close()
            stop.set()


def test_endless_garbage_times_out_as_what_it_is() -> None:
    stop = threading.Event()

    def script(camera: _Camera) -> None:
        camera.set_up()
        camera.answer()
        while not stop.wait(0.02):
            try:
                camera.line.sendall(b"\x00garbage" * 100)
            except OSError:
                return

    with _playing(script) as (address, _):
        stream = DirectStream(address, _PATIENCE_S, 1.5)
        try:
            with pytest.raises(StreamError, match="not a stream"):
                list(stream)
        finally:
            stream.close()
            stop.set()
