"""A session with a camera: RTSP over TCP (RFC 2326), with RTP packets interleaved.

FFmpeg speaks RTSP too, but reads each of hundreds of packets a second with six system calls and
asks Python each time whether to continue: at 50 cameras of 2.3 Mbit/s that was a third of all
processor time (`docs/figures.md`). Here a few calls read a second's packets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from urllib.parse import urlsplit

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import RedirectError, StreamError
from cv_engine.live.stream.http_auth import HttpAuth
from cv_engine.live.stream.interleaved import InterleavedReader, Line, Message
from cv_engine.live.stream.network import connect
from cv_engine.live.stream.rtp import Span
from cv_engine.live.stream.sdp import Media, video_of
from cv_engine.live.stream.tunnel import HttpTunnel

_PORT, _SECURE_PORT = 554, 322
_TIMEOUT_S = 60.0  # of a session, where the server does not say (RFC 2326, 12.37)
_SEND_S = 1.0  # longest wait for room to send a request
_MAY_FAIL = ("OPTIONS", "GET_PARAMETER")  # a camera that does not support them still plays
_UNSUPPORTED_TRANSPORT = 461
_USE_UDP = "the camera does not send over TCP; set transport: udp for it"


@dataclass(frozen=True, slots=True)
class _Request:
    number: int
    method: str
    url: str
    headers: Mapping[str, str]
    is_retry: bool


def connected(address: Address, timeout_s: float) -> Line:
    """A connection to a camera, by the transport that the address names.

    Args:
        address: Address of the stream.
        timeout_s: Longest wait for each step, seconds.

    Raises:
        StreamError: The camera refuses.
        RedirectError: The camera names another address.
        OSError: The camera cannot be reached.
    """
    if address.transport == "http":
        return HttpTunnel(address, timeout_s)
    secure = address.scheme == "rtsps"
    port = urlsplit(address.url).port or (_SECURE_PORT if secure else _PORT)
    return connect(address, port, timeout_s, secure=secure)


class Session:
    """A session with a camera, set up for its video but not playing yet.

    Args:
        address: Address of the stream.
        timeout_s: Longest time until the session is set up, seconds.
        connect: Opens the connection to an address, waiting for at most so many seconds.

    Attributes:
        media: The stream's video.

    Raises:
        StreamError: The session cannot be set up.
        RedirectError: The camera names another address.
        UnknownFormatError: The stream is of a format that is not read here.
        OSError: The network connection fails.
    """

    def __init__(
        self,
        address: Address,
        timeout_s: float,
        connect: Callable[[Address, float], Line] = connected,
    ) -> None:
        self._address = address
        # Requests without a response: one at a time, except where a camera is slow to play.
        self._pending: list[_Request] = []
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
        self._line = connect(address, timeout_s)
        self._reader = InterleavedReader(self._line)
        try:
            self.media = self._set_up(until_s)
        except BaseException:
            self._line.close()
            raise

    @property
    def buffer(self) -> bytearray:
        """What has been received; see `packets`."""
        return self._reader.buffer

    @property
    def discarded(self) -> int:
        """Bytes received that belonged to no message and no packet."""
        return self._reader.discarded

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
        return self._reader.fill(wait_s)

    def packets(self) -> tuple[list[Span], list[Span]]:
        """The RTP and RTCP packets that have been received whole since the last call.

        Returns:
            Start and end of each packet in ``buffer``, valid until the next `fill`: first those of
            RTP, then those of RTCP.

        Raises:
            StreamError: The camera refuses.
        """
        media, reports, messages = self._reader.packets(self._channels, self.media.payload_type)
        for message in messages:
            self._handle(message)
        return media, reports

    def keep_alive(self, now_s: float) -> None:
        """Sends a request where the session would soon time out at the camera.

        Args:
            now_s: Monotonic time, seconds.
        """
        if now_s >= self._keep_alive_at_s:
            self._keep_alive_at_s = now_s + self._keep_alive_every_s
            del self._pending[:-1]  # what has no response by now never will have
            self._send(self._keep_alive_method, self._url, {})

    def close(self) -> None:
        """Ends the session."""
        try:
            if "Session" in self._headers:
                self._send("TEARDOWN", self._url, {}, wait_s=0.0)
        except OSError:
            pass  # the connection is gone already
        finally:
            self._line.close()

    def _set_up(self, until_s: float) -> Media:
        described = self._describe(until_s)
        base = described.get("Content-Base") or described.get("Content-Location") or self._url
        media = video_of(described.body.decode("utf-8", "replace"))
        self._url = _joined(base, media.session_control)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        set_up = self._request(until_s, "SETUP", _joined(base, media.control), transport)
        self._channels = _channels(set_up.get("Transport"))
        session, _, rest = set_up.get("Session").partition(";")
        if session.strip():
            self._headers["Session"] = session.strip()
        timeout = re.search(r"timeout\s*=\s*([0-9]{1,9})", rest)
        timeout_s = float(timeout[1] if timeout else 0) or _TIMEOUT_S
        self._keep_alive_every_s = max(1.0, timeout_s / 2)
        self._keep_alive_at_s = time.monotonic() + self._keep_alive_every_s
        return media

    def _describe(self, until_s: float) -> Message:
        """The camera's response with the description of the stream."""
        options = self._request(until_s, "OPTIONS", self._url, {})
        methods = options.get("Public")
        self._keep_alive_method = "GET_PARAMETER" if "GET_PARAMETER" in methods else "OPTIONS"
        return self._request(until_s, "DESCRIBE", self._url, {"Accept": "application/sdp"})

    def _request(
        self, until_s: float, method: str, url: str, headers: Mapping[str, str]
    ) -> Message:
        """Sends a request, and waits for the response."""
        self._send(method, url, headers, until_s - time.monotonic())
        while True:
            message = self._reader.message()
            if message is None:
                self.fill(until_s - time.monotonic())
                continue
            self._handle(message)
            if not self._pending:
                return message

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
        self._pending.append(_Request(self._last_number, method, url, headers, is_retry))
        lines = {
            "CSeq": str(self._last_number),
            "User-Agent": "cv-engine",
            **self._headers,
            **headers,
        }
        if self._auth is not None:
            user, password = self._address.user, self._address.password
            lines["Authorization"] = self._auth.authorization(method, url, user, password)
        self._write(f"{method} {url} RTSP/1.0", lines, wait_s)

    def _write(self, first: str, headers: Mapping[str, str], wait_s: float) -> None:
        text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._line.settimeout(max(0.001, wait_s))
        self._line.sendall(f"{first}\r\n{text}\r\n".encode())

    def _handle(self, message: Message) -> None:
        """Acts on a message: answers a request, retries with a password, or raises.

        A response whose number no pending request has belongs to the one that has waited longest:
        cameras answer in order, and some number their responses wrongly or all with 0.

        Raises:
            StreamError: The camera refuses.
            RedirectError: The camera names another address.
        """
        status = message.status
        if not status:
            self._answer(message)
            return
        if status < 200 or not self._pending:
            return  # the response is still to come, or comes too late
        number = message.get("CSeq")
        matching = [each for each in self._pending if str(each.number) == number]
        request = (matching or self._pending)[0]
        self._pending.remove(request)
        if 200 <= status < 300:
            return
        if status == 401:
            challenges = message.all("WWW-Authenticate")
            user = self._address.user
            self._auth = HttpAuth.required(challenges, user, is_retry=request.is_retry)
            self._send(request.method, request.url, request.headers, is_retry=True)
        elif status < 400 and message.get("Location"):
            raise RedirectError(message.get("Location"))
        elif status == _UNSUPPORTED_TRANSPORT:
            raise StreamError(f"{_USE_UDP} ({_status_of(message)})")
        elif request.method not in _MAY_FAIL:
            raise StreamError(self._address.hide(f"the camera answers: {_status_of(message)}"))

    def _answer(self, request: Message) -> None:
        """Answers a request of the camera, which may end the session of a client that does not."""
        number = request.get("CSeq")
        headers = {"CSeq": number} if re.fullmatch("[0-9]{1,9}", number) else {}
        is_known = request.line.startswith(("OPTIONS ", "GET_PARAMETER ", "SET_PARAMETER "))
        status = "200 OK" if is_known else "501 Not Implemented"
        # Where the camera reads no more, what it has sent still counts.
        with suppress(OSError):
            self._write(f"RTSP/1.0 {status}", {**headers, **self._headers}, wait_s=0.0)


def _status_of(response: Message) -> str:
    return response.line.partition(" ")[2].strip()


def _channels(transport: str) -> tuple[int, int]:
    """The channels of RTP and RTCP that a camera has chosen.

    Raises:
        StreamError: The camera has chosen another transport.
    """
    channels = re.search(r"interleaved=([0-9]{1,3})(?:-([0-9]{1,3}))?", transport)
    if channels is None:
        if "client_port=" in transport and "/TCP" not in transport.upper():
            raise StreamError(_USE_UDP)
        return (0, 1)
    media = min(int(channels[1]), 255)
    reports = min(int(channels[2] or media + 1), 255)
    return (media, reports if reports != media else (media + 1) % 256)


def _joined(base: str, control: str) -> str:
    """The control URL of a stream or a part of it (RFC 2326, C.1.1)."""
    if not control or control == "*":
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    return base.rstrip("/") + "/" + control.lstrip("/")
