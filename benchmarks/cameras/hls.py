"""Cameras that are watched over HTTP: a live HLS playlist of the last segments."""

from __future__ import annotations

import base64
import io
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.packet import Packet

from benchmarks.cameras.footage import Footage, Unit

_US = 1_000_000
_SEGMENT_US = 2 * _US  # at least; a segment begins with a key frame
_LISTED = 5  # segments in the playlist
# A camera has run for some rounds of its footage before the first request.
_ROUNDS_BEFORE = 10


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a camera's footage.

    Attributes:
        begin_us: Start of the segment, microseconds from the camera's start.
        length_us: Length of the segment.
        round_us: Start of the segment's round of the footage.
        units: The segment's access units.
    """

    begin_us: int
    length_us: int
    round_us: int
    units: tuple[Unit, ...]


class _HlsCamera:
    """One camera: cuts its footage, which it plays in a loop, into segments with numbers."""

    def __init__(self, footage: Footage, began_s: float, login: str | None) -> None:
        self.login = login
        self._footage = footage
        self._began_s = began_s
        self._data = footage.path.read_bytes()
        self._parts: list[list[Unit]] = []
        for unit in footage.units:
            begins = not self._parts or (
                unit.is_key and unit.dts_us - self._parts[-1][0].dts_us >= _SEGMENT_US
            )
            if begins:
                self._parts.append([])
            self._parts[-1].append(unit)

    def segment(self, number: int) -> _Segment:
        """A segment by its number since the camera began."""
        rounds, part = divmod(number, len(self._parts))
        begins = [units[0].dts_us for units in self._parts] + [self._footage.duration_us]
        round_us = rounds * self._footage.duration_us
        length_us = begins[part + 1] - begins[part]
        return _Segment(round_us + begins[part], length_us, round_us, tuple(self._parts[part]))

    def complete(self, now_s: float) -> int:
        """How many segments are complete."""
        played_us = round((now_s - self._began_s) * _US)
        number = played_us // self._footage.duration_us * len(self._parts)
        while self.segment(number).begin_us + self.segment(number).length_us <= played_us:
            number += 1
        return number

    def playlist(self, now_s: float) -> str:
        """The last segments that are complete."""
        end = self.complete(now_s)
        numbers = range(end - _LISTED, end)
        segments = [self.segment(number) for number in numbers]
        longest_s = max(segment.length_us for segment in segments) / _US
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{round(longest_s)}",
            f"#EXT-X-MEDIA-SEQUENCE:{numbers[0]}",
        ]
        for number, segment in zip(numbers, segments, strict=True):
            began = datetime.fromtimestamp(self._began_s + segment.begin_us / _US, UTC)
            lines += [
                f"#EXT-X-PROGRAM-DATE-TIME:{began.isoformat(timespec='milliseconds')}",
                f"#EXTINF:{segment.length_us / _US:.3f},",
                f"{number}.ts",
            ]
        return "\n".join(lines) + "\n"

    def stream(self, number: int) -> bytes:
        """A segment as an MPEG transport stream; timestamps run on from segment to segment."""
        segment = self.segment(number)
        written = io.BytesIO()
        # Each segment is muxed by itself: its counters restart, and a flag announces that.
        options = {"mpegts_flags": "initial_discontinuity"}
        with av.open(written, "w", format="mpegts", options=options) as out:
            stream = out.add_mux_stream(
                "h264", width=self._footage.width, height=self._footage.height
            )
            for unit in segment.units:
                packet = Packet(self._data[unit.offset : unit.offset + unit.size])
                packet.stream, packet.time_base = stream, Fraction(1, _US)
                packet.dts, packet.pts = (
                    segment.round_us + unit.dts_us,
                    segment.round_us + unit.pts_us,
                )
                packet.is_keyframe = unit.is_key
                out.mux(packet)
        return written.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HlsServer

    def do_GET(self) -> None:
        """Answers with a playlist or a segment."""
        path = Path(self.path.split("?")[0])
        camera = self.server.cameras.get(path.parent.name)
        now_s = time.time()
        if camera is None:
            self._answer(HTTPStatus.NOT_FOUND)
        elif camera.login is not None and self.headers["Authorization"] != camera.login:
            self._answer(HTTPStatus.UNAUTHORIZED)
        elif path.name == "live.m3u8":
            kind = "application/vnd.apple.mpegurl"
            self._answer(HTTPStatus.OK, kind, camera.playlist(now_s).encode())
        elif path.stem.isdecimal() and 0 <= camera.complete(now_s) - int(path.stem) <= 2 * _LISTED:
            self._answer(HTTPStatus.OK, "video/mp2t", camera.stream(int(path.stem)))
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps requests off the terminal."""

    def _answer(self, status: HTTPStatus, kind: str = "text/plain", body: bytes = b"") -> None:
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class HlsServer(ThreadingHTTPServer):
    """Live cameras over HTTP, each with a sliding window of segments of two seconds.

    Example:
        >>> with HlsServer() as server:  # doctest: +SKIP
        ...     server.add("east", footage)
        ...     av.open(server.url("east"))
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cameras: dict[str, _HlsCamera] = {}
        self._logins: dict[str, str] = {}
        self._thread = threading.Thread(target=self.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores clients that disconnect; prints any other error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def add(
        self,
        name: str,
        footage: Footage,
        *,
        phase_s: float = 0.0,
        user: str | None = None,
        password: str = "",
    ) -> None:
        """Adds a camera, which plays its footage in a loop.

        Args:
            name: The first part of its path.
            footage: The footage to show.
            phase_s: Position in the footage now, seconds.
            user: The only user who may watch; ``None``: everyone.
            password: The user's password.
        """
        began_s = time.time() - phase_s - _ROUNDS_BEFORE * footage.duration_s
        login = None
        if user is not None:
            login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
            self._logins[name] = f"{user}:{password}@"
        self.cameras[name] = _HlsCamera(footage, began_s, login)

    def url(self, name: str) -> str:
        """Where a camera is watched, with its user and password."""
        login = self._logins.get(name, "")
        return f"http://{login}127.0.0.1:{self.server_address[1]}/{name}/live.m3u8"
