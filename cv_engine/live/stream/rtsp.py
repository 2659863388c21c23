"""A session with a camera: RTSP over TCP (RFC 2326), with its pictures between the answers.

FFmpeg speaks RTSP too, but reads each of hundreds of packets a second with six system calls and asks
Python each time whether to go on: at 50 cameras of 2.3 Mbit/s that was a third of all processor time
(`docs/figures.md`). Here a second's packets come with a few calls.
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
from cv_engine.live.stream.rtp import Span
from cv_engine.live.stream.sdp import Media, video_of

_PORT, _SECURE_PORT = 554, 322
# Above the largest interleaved packet, 64 KiB, and above the longest answer that is taken.
_CAPACITY = 1 << 17
_LONGEST_HEAD = 1 << 14
_INTERLEAVED = 0x24  # "$", and the channel and size of the packet that follows
_FRAME_BYTES = 4
_frame = struct.Struct(">BBH").unpack_from
_TIMEOUT_S = 60.0  # after which a server forgets a session, where it does not say
_SEND_S = 1.0  # longest wait for room for a request
_NO_STREAM = "what it sends is no stream"
_MAY_FAIL = ("OPTIONS", "GET_PARAMETER")  # a camera that does not know them still plays
_STATUS = re.compile(rb"RTSP/\d\.\d (\d{3})[^\r\n]*")
_REQUEST = re.compile(rb"[A-Z_]+ \S+ RTSP/\d\.\d")


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    again: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    line: str
    headers: HTTPMessage
    body: bytes


class Session:
    """A session with a camera, set up for its pictures but not playing yet.

    Args:
        address: Where it is.
        timeout_s: Longest time until it is set up, seconds.

    Attributes:
        media: Its pictures.
        buffer: What has been received; see `packets`.

    Raises:
        StreamError: It cannot be set up.
        UnknownFormatError: It is of a kind that is not read here.
        OSError: The line.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self.buffer = bytearray(_CAPACITY)
        self._view = memoryview(self.buffer)
        self._start = self._end = 0
        self._asked: dict[int, _Asked] = {}
        self._auth: HttpAuth | None = None
        self._headers: dict[str, str] = {}
        self._number = 0
        self._channels = (0, 1)
        self._whole = address.url  # where all of the stream is asked for
        self._alive_by, self._alive_every_s, self._alive_at_s = "OPTIONS", _TIMEOUT_S / 2, inf
        until_s = time.monotonic() + timeout_s
        self._socket = _connected(address, timeout_s)
        try:
            self.media = self._set_up(until_s)
        except BaseException:
            self._socket.close()
            raise

    def play(self) -> None:
        """Asks for the pictures; where that is refused, `packets` tells."""
        self._ask("PLAY", self._whole, {"Range": "npt=0.000-"})

    def fill(self, wait_s: float) -> bool:
        """Waits for what comes next.

        Returns:
            Whether that was all there was.

        Raises:
            TimeoutError: Nothing comes.
            StreamError: Nor will it.
            OSError: The line.
        """
        if wait_s <= 0.0:
            raise TimeoutError
        left = self._end - self._start
        if self._start:
            self._view[:left] = self._view[self._start : self._end]
        self._start, self._end = 0, left
        self._socket.settimeout(wait_s)
        if not self._take_in():
            raise StreamError("the stream has ended")
        self._socket.settimeout(0.0)
        while self._end < _CAPACITY:
            try:
                if not self._take_in():
                    return False  # what has come is taken first
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
        return False

    def _take_in(self) -> int:
        received = self._socket.recv_into(self._view[self._end :])
        self._end += received
        return received

    def packets(self) -> tuple[list[Span], list[Span]]:
        """What has been received whole since the last call: RTP and RTCP packets.

        Returns:
            Where each packet begins and ends in ``buffer``, which holds until the next `fill`: those
            of the pictures, and those of the reports.

        Raises:
            StreamError: The camera refuses or talks nonsense.
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
        pictures, reports = self._channels
        return found[pictures], found[reports]

    def keep_alive(self, now_s: float) -> None:
        """Tells the camera, now and then, that somebody is still there.

        Args:
            now_s: Monotonic time.
        """
        if now_s >= self._alive_at_s:
            self._alive_at_s = now_s + self._alive_every_s
            self._asked.clear()  # what has not been answered by now will not be
            self._ask(self._alive_by, self._whole, {})

    def close(self) -> None:
        """Ends the session."""
        try:
            if "Session" in self._headers:
                self._ask("TEARDOWN", self._whole, {}, wait_s=0.0)
        except OSError:
            pass  # it is gone already
        finally:
            self._socket.close()

    def _set_up(self, until_s: float) -> Media:
        url = self._address.url
        known = self._request(until_s, "OPTIONS", url, {})
        methods = known.headers.get("Public", "")
        self._alive_by = "GET_PARAMETER" if "GET_PARAMETER" in methods else "OPTIONS"
        told = self._request(until_s, "DESCRIBE", url, {"Accept": "application/sdp"})
        base = told.headers.get("Content-Base") or told.headers.get("Content-Location") or url
        media = video_of(told.body.decode("utf-8", "replace"))
        self._whole = _joined(base.strip(), media.session_control)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        done = self._request(until_s, "SETUP", _joined(base.strip(), media.control), transport)
        channels = re.search(r"interleaved=(\d+)-(\d+)", done.headers.get("Transport", ""))
        if channels:
            self._channels = (int(channels[1]), int(channels[2]))
        session, _, rest = done.headers.get("Session", "").partition(";")
        if session.strip():
            self._headers["Session"] = session.strip()
        told_s = re.search(r"timeout=(\d+)", rest)
        self._alive_every_s = max(1.0, (float(told_s[1]) if told_s else _TIMEOUT_S) / 2)
        self._alive_at_s = time.monotonic() + self._alive_every_s
        return media

    def _request(
        self, until_s: float, method: str, url: str, headers: Mapping[str, str]
    ) -> _Answer:
        """Asks, and waits for the answer."""
        self._ask(method, url, headers, until_s - time.monotonic())
        while True:
            answer = self._next_message()
            if answer is None:
                self.fill(until_s - time.monotonic())
            elif not self._asked:
                return answer

    def _next_message(self) -> _Answer | None:
        """The next answer, past pictures that come too early; ``None`` where there is none yet."""
        while self._end > self._start and self.buffer[self._start] == _INTERLEAVED:
            if self._end - self._start < _FRAME_BYTES:
                return None
            stop = self._start + _FRAME_BYTES + _frame(self.buffer, self._start)[2]
            if stop > self._end:
                return None
            self._start = stop
        return self._message() if self._end > self._start else None

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        wait_s: float = _SEND_S,
        *,
        again: bool = False,
    ) -> None:
        self._number += 1
        self._asked[self._number] = _Asked(method, url, headers, again)
        lines = {"CSeq": str(self._number), "User-Agent": "cv-engine", **self._headers, **headers}
        if self._auth is not None:
            user, password = self._address.user, self._address.password
            lines["Authorization"] = self._auth.answer(method, url, user, password)
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.settimeout(max(0.001, wait_s))
        self._socket.sendall(f"{method} {url} RTSP/1.0\r\n{text}\r\n".encode())

    def _message(self) -> _Answer | None:
        """Takes in the answer at the beginning of the buffer; ``None`` where it is not whole yet.

        Raises:
            StreamError: It is none, or says no.
        """
        here = bytes(self._view[self._start : min(self._end, self._start + _LONGEST_HEAD)])
        head, end, _ = here.partition(b"\r\n\r\n")
        line = head.partition(b"\r\n")[0]
        if not (end or len(here) < _LONGEST_HEAD) or not _begins_message(line):
            raise StreamError(_NO_STREAM)
        if not end:
            return None
        try:
            headers = parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + end))
            size = int(headers.get("Content-Length", "0"))
        except (HTTPException, ValueError):
            raise StreamError(_NO_STREAM) from None
        if not 0 <= size < _CAPACITY - _LONGEST_HEAD:
            raise StreamError(_NO_STREAM)
        begin = self._start + len(head) + len(end)
        if begin + size > self._end:
            return None
        body = bytes(self._view[begin : begin + size])
        self._start = begin + size
        status = _STATUS.match(line)
        answer = _Answer(int(status[1]) if status else 0, line.decode("latin-1"), headers, body)
        if status:
            self._judge(answer)
        return answer

    def _judge(self, answer: _Answer) -> None:
        """Acts on an answer that says no.

        Raises:
            StreamError: Nothing can be done.
        """
        number = answer.headers.get("CSeq", "").strip()
        # Where it does not say what it answers, it is what was asked first.
        key = int(number) if number.isdecimal() else next(iter(self._asked), 0)
        asked = self._asked.pop(key, None)
        if asked is None or answer.status == 200:
            return
        if answer.status == 401:
            self._auth = HttpAuth.of(answer.headers.get_all("WWW-Authenticate", []))
            if asked.again or self._auth is None or not self._address.user:
                raise StreamError("the camera refuses user or password")
            self._ask(asked.method, asked.url, asked.headers, again=True)
        elif 300 <= answer.status < 400 and asked.method != "PLAY":
            raise UnknownFormatError  # it is elsewhere
        elif asked.method not in _MAY_FAIL:
            told = answer.line.partition(" ")[2]
            raise StreamError(self._address.hide(f"the camera answers: {told}"))


def _connected(address: Address, timeout_s: float) -> socket.socket:
    port = urlsplit(address.url).port
    secure = address.scheme == "rtsps"
    place = (address.host, port or (_SECURE_PORT if secure else _PORT))
    line = socket.create_connection(place, timeout=timeout_s)
    if not secure:
        return line
    # Cameras sign their certificates themselves: nobody can be asked whether they are right.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(line, server_hostname=address.host)
    except BaseException:
        line.close()
        raise


def _begins_message(line: bytes) -> bool:
    """Whether a first line, or the beginning of one, is of an answer or a request."""
    if _STATUS.match(line) or _REQUEST.match(line):
        return True
    return len(line) < 64 and (
        b"RTSP/1.0 ".startswith(line[:9]) or line.replace(b"_", b"").isalpha()
    )


def _joined(base: str, control: str) -> str:
    """Where a part of a stream is asked for (RFC 2326, C.1.1)."""
    if not control or control == "*":
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    return base.rstrip("/") + "/" + control.lstrip("/")
