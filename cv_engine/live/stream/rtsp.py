"""A session with a camera: RTSP over TCP (RFC 2326), with RTP packets interleaved.

FFmpeg speaks RTSP too, but reads each of hundreds of packets a second with six system calls and
asks Python each time whether to continue: at 50 cameras of 2.3 Mbit/s that was a third of all
processor time (`docs/figures.md`). Here a few calls read a second's packets.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, parse_headers
from math import inf
from urllib.parse import urlsplit

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError, UnknownFormatError
from cv_engine.live.stream.http_auth import HttpAuth
from cv_engine.live.stream.network import connect
from cv_engine.live.stream.rtp import Span
from cv_engine.live.stream.sdp import Media, video_of

_PORT, _SECURE_PORT = 554, 322
# Above the largest interleaved packet, 64 KiB, and above the longest response accepted.
_CAPACITY = 1 << 17
_LONGEST_HEAD = 1 << 14
_INTERLEAVED = 0x24  # "$", followed by the channel and the size of the packet
_FRAME_BYTES = 4
_frame = struct.Struct(">BBH").unpack_from
_TIMEOUT_S = 60.0  # of a session, where the server does not say (RFC 2326, 12.37)
_SEND_S = 1.0  # longest wait for room to send a request
_NOT_A_STREAM = "what it sends is not a stream"
_MAY_FAIL = ("OPTIONS", "GET_PARAMETER")  # a camera that does not support them still plays
_STATUS = re.compile(rb"RTSP/\d\.\d (\d{3})[^\r\n]*")
_REQUEST = re.compile(rb"[A-Z_]+ \S+ RTSP/\d\.\d")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    is_retry: bool


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    line: str
    headers: HTTPMessage
    body: bytes


class Session:
    """A session with a camera, set up for its video but not playing yet.

    Args:
        address: Address of the stream.
        timeout_s: Longest time until the session is set up, seconds.

    Attributes:
        media: The stream's video.
        buffer: What has been received; see `packets`.

    Raises:
        StreamError: The session cannot be set up.
        UnknownFormatError: The stream is of a format that is not read here.
        OSError: The network connection fails.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self.buffer = bytearray(_CAPACITY)
        self._view = memoryview(self.buffer)
        self._start = self._end = 0
        self._pending: dict[int, _Request] = {}
        self._auth: HttpAuth | None = None
        self._headers: dict[str, str] = {}
        self._last_number = 0
        self._channels = (0, 1)
        self._url = address.url  # of the whole stream
        self._keep_alive_method, self._keep_alive_every_s, self._keep_alive_at_s = (
            "OPTIONS",
            _TIMEOUT_S / 2,
            inf,
        )
        until_s = time.monotonic() + timeout_s
        secure = address.scheme == "rtsps"
        port = urlsplit(address.url).port or (_SECURE_PORT if secure else _PORT)
        self._socket = connect(address, port, timeout_s, secure=secure)
        try:
            self.media = self._set_up(until_s)
        except BaseException:
            self._socket.close()
            raise

    def play(self) -> None:
        """Asks the camera to play; `packets` raises where the camera refuses."""
        self._send("PLAY", self._url, {"Range": "npt=0.000-"})

    def fill(self, wait_s: float) -> bool:
        """Waits for data, and reads what has arrived into the buffer.

        Returns:
            Whether everything that had arrived was read.

        Raises:
            TimeoutError: Nothing arrives in time.
            StreamError: The camera has closed the connection.
            OSError: The network connection fails.
        """
        if wait_s <= 0.0:
            raise TimeoutError
        left = self._end - self._start
        if self._start:
            self._view[:left] = self._view[self._start : self._end]
        self._start, self._end = 0, left
        self._socket.settimeout(wait_s)
        if not self._read():
            raise StreamError("the stream has ended")
        self._socket.settimeout(0.0)
        while self._end < _CAPACITY:
            try:
                if not self._read():
                    return False  # closed, but what has arrived is processed first
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
        return False

    def _read(self) -> int:
        received = self._socket.recv_into(self._view[self._end :])
        self._end += received
        return received

    def packets(self) -> tuple[list[Span], list[Span]]:
        """The RTP and RTCP packets that have been received whole since the last call.

        Returns:
            Start and end of each packet in ``buffer``, valid until the next `fill`: first those of
            RTP, then those of RTCP.

        Raises:
            StreamError: The camera refuses, or does not send RTSP.
        """
        buffer, end = self.buffer, self._end
        found: dict[int, list[Span]] = {channel: [] for channel in self._channels}
        start = self._start
        while end - start >= _FRAME_BYTES:
            mark, channel, size = _frame(buffer, start)
            if mark == _INTERLEAVED:
                stop = start + _FRAME_BYTES + size
                if stop > end:
                    break
                if channel in found:
                    found[channel].append((start + _FRAME_BYTES, stop))
                start = stop
                continue
            self._start = start
            if self._message() is None:
                break
            start = self._start
        self._start = start
        media, reports = self._channels
        return found[media], found[reports]

    def keep_alive(self, now_s: float) -> None:
        """Sends a request where the session would soon time out at the camera.

        Args:
            now_s: Monotonic time, seconds.
        """
        if now_s >= self._keep_alive_at_s:
            self._keep_alive_at_s = now_s + self._keep_alive_every_s
            self._pending.clear()  # what has not been responseed by now never will be
            self._send(self._keep_alive_method, self._url, {})

    def close(self) -> None:
        """Ends the session."""
        try:
            if "Session" in self._headers:
                self._send("TEARDOWN", self._url, {}, wait_s=0.0)
        except OSError:
            pass  # the connection is gone already
        finally:
            self._socket.close()

    def _set_up(self, until_s: float) -> Media:
        url = self._address.url
        options = self._request(until_s, "OPTIONS", url, {})
        methods = options.headers.get("Public", "")
        self._keep_alive_method = "GET_PARAMETER" if "GET_PARAMETER" in methods else "OPTIONS"
        described = self._request(until_s, "DESCRIBE", url, {"Accept": "application/sdp"})
        headers = described.headers
        base = (headers.get("Content-Base") or headers.get("Content-Location") or url).strip()
        media = video_of(described.body.decode("utf-8", "replace"))
        self._url = _joined(base, media.session_control)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        set_up = self._request(until_s, "SETUP", _joined(base, media.control), transport)
        channels = re.search(r"interleaved=(\d+)-(\d+)", set_up.headers.get("Transport", ""))
        if channels:
            self._channels = (int(channels[1]), int(channels[2]))
        session, _, rest = set_up.headers.get("Session", "").partition(";")
        if session.strip():
            self._headers["Session"] = session.strip()
        timeout = re.search(r"timeout=(\d+)", rest)
        self._keep_alive_every_s = max(1.0, (float(timeout[1]) if timeout else _TIMEOUT_S) / 2)
        self._keep_alive_at_s = time.monotonic() + self._keep_alive_every_s
        return media

    def _request(
        self, until_s: float, method: str, url: str, headers: Mapping[str, str]
    ) -> _Response:
        """Sends a request, and waits for the response."""
        self._send(method, url, headers, until_s - time.monotonic())
        while True:
            response = self._next_message()
            if response is None:
                self.fill(until_s - time.monotonic())
            elif not self._pending:
                return response

    def _next_message(self) -> _Response | None:
        """The next response, skipping early RTP packets; ``None`` where there is none yet."""
        while self._end > self._start and self.buffer[self._start] == _INTERLEAVED:
            if self._end - self._start < _FRAME_BYTES:
                return None
            stop = self._start + _FRAME_BYTES + _frame(self.buffer, self._start)[2]
            if stop > self._end:
                return None
            self._start = stop
        return self._message() if self._end > self._start else None

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        wait_s: float = _SEND_S,
        *,
        is_retry: bool = False,
    ) -> None:
        self._last_number += 1
        self._pending[self._last_number] = _Request(method, url, headers, is_retry)
        lines = {
            "CSeq": str(self._last_number),
            "User-Agent": "cv-engine",
            **self._headers,
            **headers,
        }
        if self._auth is not None:
            user, password = self._address.user, self._address.password
            lines["Authorization"] = self._auth.authorization(method, url, user, password)
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.settimeout(max(0.001, wait_s))
        self._socket.sendall(f"{method} {url} RTSP/1.0\r\n{text}\r\n".encode())

    def _message(self) -> _Response | None:
        """Parses the message at the start of the buffer; ``None`` where it is not complete yet.

        Raises:
            StreamError: The data are not RTSP, or the camera refuses.
        """
        data = bytes(self._view[self._start : min(self._end, self._start + _LONGEST_HEAD)])
        head, end, _ = data.partition(b"\r\n\r\n")
        line = head.partition(b"\r\n")[0]
        if not (end or len(data) < _LONGEST_HEAD) or not _begins_message(line):
            raise StreamError(_NOT_A_STREAM)
        if not end:
            return None
        try:
            headers = parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + end))
            size = int(headers.get("Content-Length", "0"))
        except (HTTPException, ValueError):
            raise StreamError(_NOT_A_STREAM) from None
        if not 0 <= size < _CAPACITY - _LONGEST_HEAD:
            raise StreamError(_NOT_A_STREAM)
        begin = self._start + len(head) + len(end)
        if begin + size > self._end:
            return None
        body = bytes(self._view[begin : begin + size])
        self._start = begin + size
        status = _STATUS.match(line)
        response = _Response(int(status[1]) if status else 0, line.decode("latin-1"), headers, body)
        if status:
            self._handle(response)
        return response

    def _handle(self, response: _Response) -> None:
        """Acts on the status of a response: retries with a password, or raises.

        Raises:
            StreamError: The camera refuses.
            UnknownFormatError: The camera redirects.
        """
        number = response.headers.get("CSeq", "").strip()
        # A response without a number belongs to the oldest pending request.
        key = int(number) if number.isdecimal() else next(iter(self._pending), 0)
        request = self._pending.pop(key, None)
        if request is None or response.status == 200:
            return
        if response.status == 401:
            self._auth = HttpAuth.of(response.headers.get_all("WWW-Authenticate", []))
            if request.is_retry or self._auth is None or not self._address.user:
                raise StreamError("the camera refuses user or password")
            self._send(request.method, request.url, request.headers, is_retry=True)
        elif 300 <= response.status < 400 and request.method != "PLAY":
            raise UnknownFormatError  # redirected: FFmpeg follows
        elif request.method not in _MAY_FAIL:
            status = response.line.partition(" ")[2]
            raise StreamError(self._address.hide(f"the camera answers: {status}"))


def _begins_message(line: bytes) -> bool:
    """Whether a first line, or the start of one, belongs to an RTSP response or request."""
    if _STATUS.match(line) or _REQUEST.match(line):
        return True
    return len(line) < 64 and (
        b"RTSP/1.0 ".startswith(line[:9]) or line.replace(b"_", b"").isalpha()
    )


def _joined(base: str, control: str) -> str:
    """The control URL of a stream or a part of it (RFC 2326, C.1.1)."""
    if not control or control == "*":
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    return base.rstrip("/") + "/" + control.lstrip("/")
