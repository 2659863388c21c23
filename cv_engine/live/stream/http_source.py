"""HTTP and HLS for FFmpeg, whose demuxers read through this module.

FFmpeg's own HTTP client follows redirects, playlists and segments to any host, and cannot pin a
certificate. Here each address that a camera names is checked before it is opened, and user and
password never become part of an address.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from typing import IO, Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.http_auth import HttpAuth
from cv_engine.live.stream.tls import Trust, secured

#: Options with which FFmpeg's HLS demuxer opens each address by itself, through `HttpSource.open`.
HLS_OPTIONS: Mapping[str, str] = {"http_persistent": "0", "http_multiple": "0"}

_ENCRYPTED = "crypto+"  # before the address of a segment that FFmpeg wants decrypted
_LARGEST_SEGMENT = 1 << 27  # bytes of one that has to be decrypted as a whole
_NOT_GIVEN = ("", "0", "-1")


class Readable(Protocol):
    """What FFmpeg reads from."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Ends reading."""
        ...


class HttpSource:
    """Opens the addresses of one camera's stream.

    Args:
        address: Address of the stream; names the hosts that are allowed, and what is trusted.
        timeout_s: Longest wait for data, seconds.

    Attributes:
        url: Where the stream is, after the redirects.

    Raises:
        StreamError: An address is not allowed, or the camera refuses.
        OSError: The network connection fails.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._opener = build_opener(
            _Redirects(address), _Login(address), _Https(address.trust, address.host)
        )
        # FFmpeg resolves a playlist's relative addresses by the one that it was given itself.
        response = self._response(Request(address.url))
        self.url: str = response.geturl()
        self._first: _Body | None = _Body(response)

    def open(self, url: str, flags: int, options: Mapping[str, str]) -> Readable:
        """Opens an address for FFmpeg (``io_open`` of `av.open`).

        Args:
            url: Address, as FFmpeg found it in a playlist.
            flags: FFmpeg's; streams are only read.
            options: FFmpeg's: ``offset`` and ``end_offset`` of a part, ``key`` and ``iv``.

        Raises:
            StreamError: The address is not allowed, or the camera refuses.
            OSError: The network connection fails.
        """
        if self._first is not None and url == self.url:
            first, self._first = self._first, None
            return first
        plain = url.removeprefix(_ENCRYPTED)
        check_allowed(self._address, plain)
        request = Request(plain)
        begin, end = options.get("offset", ""), options.get("end_offset", "")
        if begin not in _NOT_GIVEN or end not in _NOT_GIVEN:
            last = "" if end in _NOT_GIVEN else str(int(end) - 1)
            request.add_header("Range", f"bytes={begin or 0}-{last}")
        response = self._response(request)
        return _Body(response) if url == plain else _decrypted(response, options)

    def _response(self, request: Request) -> http.client.HTTPResponse:
        request.add_header("User-Agent", "cv-engine")
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
            return response
        except HTTPError as error:
            error.close()
            raise StreamError(f"the camera answers: {error.code} {_phrase(error.code)}") from None
        except URLError as error:
            reason = error.reason
            raise (reason if isinstance(reason, OSError) else OSError("no connection")) from None
        except http.client.HTTPException:
            raise StreamError("what it sends is not HTTP") from None
        except ValueError:  # its text repeats the address of the proxy, with the password
            raise StreamError("the proxy's address cannot be used; check http_proxy") from None


class _Body:
    """The body of a response, given out as it arrives."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read(self, size: int, /) -> bytes:
        try:
            return self._response.read1(size)
        except http.client.HTTPException:
            return b""  # the server has closed the connection early

    def close(self) -> None:
        self._response.close()


def check_allowed(address: Address, url: str) -> None:
    """Checks an address that a camera names.

    Raises:
        StreamError: The address is on a host that is not allowed, or drops TLS.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise StreamError("the camera names an address that is none") from None
    if parts.scheme not in ("http", "https"):
        raise StreamError("the camera names an address that is neither http nor https")
    if address.scheme == "https" and parts.scheme != "https":
        raise StreamError("the camera names an address without TLS; set url to it if that is meant")
    if not address.allows(host):
        raise StreamError(
            f"the camera names an address on another host, {host}; set url to it, or list the host "
            "under allow_hosts"
        )


class _Redirects(HTTPRedirectHandler):
    def __init__(self, address: Address) -> None:
        self._address = address

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        check_allowed(self._address, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Login(BaseHandler):
    """Sends user and password where a server asks for them."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def http_error_401(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message
    ) -> Any:
        fp.close()
        is_retry = req.has_header("Authorization")
        user, password = self._address.user, self._address.password
        challenges = headers.get_all("WWW-Authenticate", [])
        auth = HttpAuth.required(challenges, user, is_retry=is_retry)
        authorization = auth.authorization("GET", req.selector, user, password)
        req.add_unredirected_header("Authorization", authorization)
        return self.parent.open(req, timeout=req.timeout)


class _Https(HTTPSHandler):
    def __init__(self, trust: Trust, camera: str) -> None:
        super().__init__()
        self._trust = trust
        self._camera = camera

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        def connection(host: str, timeout: float) -> _TrustingConnection:
            return _TrustingConnection(host, timeout, self._trust, self._camera)

        # urllib calls it with a host and a timeout only.
        return self.do_open(connection, req)  # type: ignore[arg-type]


class _TrustingConnection(http.client.HTTPConnection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, timeout_s: float, trust: Trust, camera: str) -> None:
        super().__init__(host, timeout=timeout_s)
        self._trust = trust
        self._camera = camera
        self._behind_proxy: str | None = None

    def set_tunnel(
        self, host: str, port: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().set_tunnel(host, port, headers)
        self._behind_proxy = host.partition(":")[0]

    def connect(self) -> None:
        super().connect()
        host = self._behind_proxy or self.host
        trust = self._trust
        if trust.fingerprint and host.lower() != self._camera:
            trust = Trust()  # the pinned certificate is the camera's, not that of other hosts
        plain = self.sock
        assert isinstance(plain, socket.socket)
        self.sock = secured(plain, host, trust)


def _decrypted(response: http.client.HTTPResponse, options: Mapping[str, str]) -> io.BytesIO:
    """A segment that is encrypted with AES-128 in CBC mode (RFC 8216, 4.3.2.4)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    with response:
        data = response.read(_LARGEST_SEGMENT)
    try:
        key, start = bytes.fromhex(options["key"]), bytes.fromhex(options["iv"])
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(start)).decryptor()
        unpadder = PKCS7(algorithms.AES128.block_size).unpadder()
        padded = decryptor.update(data) + decryptor.finalize()
        return io.BytesIO(unpadder.update(padded) + unpadder.finalize())
    except (KeyError, ValueError):
        raise StreamError("a segment cannot be decrypted") from None


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""
