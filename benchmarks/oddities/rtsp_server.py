"""A server of cameras that speak RTSP, each with one oddity; over TCP, or tunnelled in HTTP."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from benchmarks.oddities.oddities import ODDITIES, TICKS, Oddity
from benchmarks.oddities.packetizer import PAYLOAD_TYPE, Packetizer
from benchmarks.oddities.pictures import Picture
from cv_engine.live.stream.bitstream.nal_units import SYNTAXES

USER, PASSWORD = "viewer", "s3cret!"
_NONCE = "f0a1b2"
_CODECS = {"h264": "H264", "hevc": "H265"}
_FIRST_STAMP = (1 << 32) - 5 * TICKS  # timestamps wrap around soon
_END = re.compile(rb"\r?\n\r?\n")


class OddCameras:
    """Cameras on loopback: the path of the address names the oddity.

    Args:
        codec: ``h264`` or ``hevc``.
        films: What cameras send before they close the connection, by the slices of each picture;
            of H.265 with one slice only.
        rate: Pictures per second; ``None``: all at once.

    Attributes:
        failures: Errors of the server, to be looked at in the end.
    """

    def __init__(
        self, codec: str, films: Mapping[int, Sequence[Picture]], rate: float | None = None
    ) -> None:
        self.codec, self.films, self.rate = codec, films, rate
        self.tunnels: dict[str, _Client] = {}
        self.failures: list[Exception] = []
        self._clients: list[_Client] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._run)

    def url(self, oddity: str) -> str:
        """The address of a camera."""
        return f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/{oddity}"

    def film(self, oddity: str) -> Sequence[Picture]:
        """The pictures that a camera has."""
        return self.films[1 if self.codec == "hevc" else ODDITIES[oddity].slices]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        for client in self._clients:
            client.close()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            client = _Client(self, line)
            self._clients.append(client)
            client.start()


class _Client:
    """One connection of a client: hears requests and answers them."""

    def __init__(self, server: OddCameras, line: socket.socket) -> None:
        self._server = server
        self._line = line
        self._name = "plain"
        self._playing = False
        self._thread = threading.Thread(target=self._run)

    @property
    def _oddity(self) -> Oddity:
        return ODDITIES[self._name]

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Closes the connection, and waits for the end of the thread."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._line.close()

    def send(self, data: bytes) -> None:
        """Sends data to the client."""
        self._line.sendall(data)

    def _run(self) -> None:
        data = b""
        try:
            while more := self._line.recv(65_536):
                data += more
                while (end := _END.search(data)) is not None:
                    head, data = data[: end.start()].decode(), data[end.end() :]
                    if head.startswith(("GET ", "POST ")):
                        self._tunnel(head, data)
                        data = b""
                    else:
                        self.hear(head)
        except OSError:
            pass  # the client is gone, or the server ends
        except Exception as error:
            self._server.failures.append(error)
        finally:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def _tunnel(self, head: str, data: bytes) -> None:
        """Takes in a tunnel: what comes by POST is heard by the client that has sent GET."""
        cookie = _headers(head)["x-sessioncookie"]
        if head.startswith("GET "):
            self._server.tunnels[cookie] = self
            self.send(b"HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n")
            return
        other = self._server.tunnels[cookie]
        while True:
            whole = len(data) // 4 * 4
            text = base64.b64decode(data[:whole]).decode()
            if text.endswith("\r\n\r\n"):
                data = data[whole:]
                other.hear(text.strip())
            more = self._line.recv(65_536)
            if not more:
                return
            data += more

    def hear(self, head: str) -> None:
        """Answers one request."""
        if head.startswith("RTSP/"):
            return  # an answer to a request of ours
        method, url, _ = head.split("\r\n")[0].split(" ")
        asked = _headers(head)
        if not self._playing:
            path = re.sub(r"^rtsps?://[^/]*/", "", url).split("/")[0]
            self._name = path if path in ODDITIES else self._name
        oddity, number = self._oddity, asked["cseq"]
        if oddity.login and not _is_proved(asked.get("authorization", ""), method, oddity.login):
            challenge = (
                f'Digest realm="cam", nonce="{_NONCE}", algorithm={oddity.login}, qop="auth"'
            )
            self._answer(number, "401 Unauthorized", {"WWW-Authenticate": challenge})
            return
        status = dict(oddity.status).get(method, "200 OK")
        if method == "DESCRIBE" and status.startswith("200"):
            self._answer(number, status, {"Content-Base": url + "/"}, self._description().encode())
        elif method == "PLAY":
            self._play(number)
        else:
            headers = {
                "Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN",
                "Location": self._server.url("plain"),
                "Transport": "RTP/AVP/TCP;unicast;interleaved=0-1",
                "Session": "12345678;timeout=60",
            }
            self._answer(number, status, headers)

    def _answer(self, asked: str, status: str, headers: dict[str, str], body: bytes = b"") -> None:
        number = self._oddity.number(asked)
        lines = [f"RTSP/1.0 {status}"]
        lines += [] if number is None else [f"CSeq: {number}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        end = self._oddity.line_end
        self.send(end.join(line.encode() for line in [*lines, "", ""]) + body)

    def _description(self) -> str:
        codec = self._server.codec
        settings = "packetization-mode=1"
        if "description" in self._oddity.sets:
            settings += ";" + self._sprop()
        return (
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=control:track1\r\n"
            f"a=rtpmap:{PAYLOAD_TYPE} {_CODECS[codec]}/90000\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} {settings}\r\n"
        )

    def _sprop(self) -> str:
        codec = self._server.codec
        sets = [unit for unit in self._server.film(self._name)[0] if self._is_set(unit)]
        texts = [base64.b64encode(unit).decode() for unit in sets]
        if codec == "h264":
            return "sprop-parameter-sets=" + self._oddity.sprop(",".join(texts))
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
        pairs = zip(names, texts, strict=True)
        return ";".join(f"{name}={self._oddity.sprop(text)}" for name, text in pairs)

    def _is_set(self, unit: bytes) -> bool:
        syntax = SYNTAXES[self._server.codec]
        return syntax.type_of(unit) in syntax.parameter_sets

    def _play(self, number: str) -> None:
        self._playing = True
        if not self._oddity.answers_late:
            self._answer(number, "200 OK", {"Session": "12345678"})
        if self._oddity.plays:
            late = number if self._oddity.answers_late else None
            threading.Thread(target=self._stream, args=(late,), daemon=True).start()
        else:
            self._line.shutdown(socket.SHUT_RDWR)

    def _stream(self, late: str | None) -> None:
        server, oddity = self._server, self._oddity
        packetizer = Packetizer(server.codec, ends=oddity.ends)
        began_s = time.monotonic()
        with suppress(OSError):
            for number, picture in enumerate(server.film(self._name)):
                if server.rate is not None:
                    due_s = began_s + number / server.rate
                    time.sleep(max(0.0, due_s - time.monotonic()))
                if late is not None and number == 5:
                    self._answer(late, "200 OK", {"Session": "12345678"})
                stamp = _FIRST_STAMP + (0 if oddity.still else number * TICKS)
                packets = oddity.make(packetizer, self._sent(picture, number), stamp)
                self.send(_interleaved(packets) + oddity.between(number))
            self._line.shutdown(socket.SHUT_RDWR)

    def _sent(self, picture: Picture, number: int) -> Picture:
        """A picture with the parameter sets that the camera sends with it."""
        sets = self._oddity.sets
        if "band" in sets or ("once" in sets and number == 0):
            return picture
        return tuple(unit for unit in picture if not self._is_set(unit))


def _interleaved(packets: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">BBH", 0x24, 0, len(packet)) + packet for packet in packets)


def _headers(head: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in head.split("\r\n")[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _is_proved(text: str, method: str, algorithm: str) -> bool:
    """Whether an ``Authorization`` header proves the password (RFC 7616, 3.4)."""
    given: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]*)"?', text))
    name = algorithm.removesuffix("-sess").replace("-", "").lower()
    if not given or name not in hashlib.algorithms_available:
        return False

    def hashed(value: str) -> str:
        return hashlib.new(name, value.encode()).hexdigest()

    secret = hashed(f"{USER}:cam:{PASSWORD}")
    if algorithm.endswith("-sess"):
        secret = hashed(f"{secret}:{_NONCE}:{given['cnonce']}")
    request = hashed(f"{method}:{given['uri']}")
    counted = f"{given['nc']}:{given['cnonce']}:auth"
    return given["response"] == hashed(f"{secret}:{_NONCE}:{counted}:{request}")
