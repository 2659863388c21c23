"""RTSP through HTTP, for networks that let nothing else pass.

A GET request opens the direction from the camera, a POST request the direction to the camera, whose
messages are sent in base64; both have the same ``x-sessioncookie``. The protocol is Apple's, and
FFmpeg's (``rtsp_transport=http``).
"""

from __future__ import annotations

import base64
import re
import secrets
from urllib.parse import urlsplit

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import RedirectError, StreamError
from cv_engine.live.stream.http_auth import HttpAuth
from cv_engine.live.stream.interleaved import NOT_A_STREAM, Line, Message
from cv_engine.live.stream.network import connect

_PORT, _SECURE_PORT = 80, 443
_TYPE = "application/x-rtsp-tunnelled"
# Bytes that a POST request announces; another one is opened where they have been sent.
_POST_BYTES = 32_767
_LONGEST_HEAD = 1 << 14
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_COOKIE_BYTES = 11


class HttpTunnel:
    """A connection to a camera through HTTP, or HTTPS for an address that begins with ``rtsps``.

    Args:
        address: Address of the stream.
        timeout_s: Longest wait for each step of opening it, seconds.

    Raises:
        StreamError: The camera refuses.
        RedirectError: The camera names another address.
        OSError: The network connection fails.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._cookie = secrets.token_hex(_COOKIE_BYTES)
        self._auth: HttpAuth | None = None
        self._received = b""  # after the response to GET, and not yet read
        self._from_camera = self._get()
        try:
            self._to_camera, self._left_bytes = self._post(), _POST_BYTES
        except BaseException:
            self._from_camera.close()
            raise

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receives data into a buffer; returns its size, 0 where the connection was closed."""
        if not self._received:
            return self._from_camera.recv_into(buffer)
        size = min(len(buffer), len(self._received))
        buffer[:size], self._received = self._received[:size], self._received[size:]
        return size

    def sendall(self, data: bytes, /) -> None:
        """Sends a message.

        Raises:
            OSError: The network connection fails.
        """
        coded = base64.b64encode(data)
        if len(coded) > self._left_bytes:
            self._to_camera.close()
            self._to_camera, self._left_bytes = self._post(), _POST_BYTES
        self._left_bytes -= len(coded)
        self._to_camera.sendall(coded)

    def settimeout(self, value: float, /) -> None:
        """Sets the longest wait, seconds; 0: never wait."""
        self._from_camera.settimeout(value)
        self._to_camera.settimeout(value)

    def close(self) -> None:
        """Closes both connections."""
        self._from_camera.close()
        self._to_camera.close()

    def _get(self) -> Line:
        headers = {"Accept": _TYPE}
        for is_retry in (False, True):
            line = self._asked("GET", headers)
            try:
                response = self._response(line)
                if 200 <= response.status < 300:
                    return line
                self._auth = self._challenge(response, is_retry=is_retry)
            except BaseException:
                line.close()
                raise
            line.close()
        raise StreamError("the camera refuses user or password")

    def _post(self) -> Line:
        return self._asked("POST", {"Content-Type": _TYPE, "Content-Length": str(_POST_BYTES)})

    def _asked(self, method: str, headers: dict[str, str]) -> Line:
        """A connection on which a request was sent."""
        parts = urlsplit(self._address.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = {
            "Host": parts.netloc,
            "User-Agent": "cv-engine",
            "x-sessioncookie": self._cookie,
            "Pragma": "no-cache",
            "Cache-Control": "no-cache",
            **headers,
        }
        if self._auth is not None:
            user, password = self._address.user, self._address.password
            lines["Authorization"] = self._auth.authorization(method, path, user, password)
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        secure = self._address.scheme == "rtsps"
        port = parts.port or (_SECURE_PORT if secure else _PORT)
        line = connect(self._address, port, self._timeout_s, secure=secure)
        try:
            line.sendall(f"{method} {path} HTTP/1.0\r\n{text}\r\n".encode())
        except BaseException:
            line.close()
            raise
        return line

    def _response(self, line: Line) -> Message:
        """Reads the response to GET; what follows it is kept."""
        data = b""
        view = memoryview(bytearray(_LONGEST_HEAD))
        while (end := _HEAD_END.search(data)) is None:
            size = line.recv_into(view)
            data += view[:size]
            if not size or len(data) > _LONGEST_HEAD:
                raise StreamError(NOT_A_STREAM)
        message = Message.parsed(data[: end.start()])
        if not message.status:
            raise StreamError(NOT_A_STREAM)
        self._received = data[end.end() :]
        return message

    def _challenge(self, response: Message, *, is_retry: bool) -> HttpAuth:
        """How the camera wants to be asked again.

        Raises:
            StreamError: The camera refuses.
            RedirectError: The camera names another address.
        """
        if response.status == 401:
            return HttpAuth.required(
                response.all("WWW-Authenticate"), self._address.user, is_retry=is_retry
            )
        location = response.get("Location")
        if 300 <= response.status < 400 and location:
            # The same stream by RTSP: http is tunnelled rtsp, https is rtsps.
            raise RedirectError(re.sub("^http", "rtsp", location, flags=re.IGNORECASE))
        raise StreamError(
            self._address.hide(f"the camera answers: {response.line.partition(' ')[2]}")
        )
