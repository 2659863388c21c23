"""Sessions of cameras, changed at random: whatever a camera sends, the reader survives it."""

from __future__ import annotations

import argparse
import json
import random
import resource
import socket
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache

from benchmarks.oddities.oddities import ODDITIES, is_about_packets
from benchmarks.oddities.pictures import pictures
from benchmarks.oddities.rtsp_server import PASSWORD, USER, OddCameras
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.direct import DirectStream
from cv_engine.live.stream.errors import RedirectError, StreamError, UnknownFormatError
from cv_engine.live.stream.interleaved import Line
from cv_engine.live.stream.rtsp import Session, connected

#: What the reader may raise.
EXPECTED = (StreamError, UnknownFormatError, RedirectError, OSError)
_WAIT_S = 5.0
_PICTURES = 12
_MOST_CHANGES = 12
_BUFFER_BYTES = 1 << 20
_ADDRESS = Address("rtsp://127.0.0.1/live", USER, password=PASSWORD)
_HEAD_BYTES = 1500  # about where the packets begin
_LONGEST_RUN = 2000  # bytes that are moved, removed or put in at once
# What parsers stumble over.
_TOKENS = (
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"$",
        b"$\0\xff\xff",
        b"$\0\0\0",
        b"$\1\0\x08",
        b"\0\0\1",
        b"\0\0\0\1\x67",
    ),
    *(b"RTSP/1.0 200 OK\r\n\r\n", b"RTSP/1.0 401 X\r\nWWW-Authenticate: Digest ,\r\n\r\n"),
    *(b"RTSP/1.0 302 X\r\nLocation: rtsp://[::1\r\n\r\n", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    *(b"Content-Length: 99999\r\n", b"Content-Length: -1\r\n", b"9" * 5000, b"1e999999999", b"/0"),
    *(b"a=framerate:1/0\r\n", b"interleaved=255-255", b"timeout=0", b"\xff" * 40, b"=" * 40, b","),
)


@dataclass(slots=True)
class Outcome:
    """What came of changed sessions.

    Attributes:
        sessions: Sessions played.
        frames: Frames received of them.
        ends: How often each error ended a session.
        crashes: Tracebacks of errors that the reader may not raise, each after the session's
            number.
        longest_s: The longest session, seconds.
        memory_mb: Growth of the resident memory's peak, MiB.
    """

    sessions: int = 0
    frames: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    memory_mb: float = 0.0

    def row(self) -> dict[str, float]:
        """The figures for the last line of the benchmark."""
        return {
            "sessions": self.sessions,
            "frames": self.frames,
            "crashes": len(self.crashes),
            "longest_s": round(self.longest_s, 2),
            "memory_mb": round(self.memory_mb),
            **dict(sorted(self.ends.items())),
        }


def fuzz(count: int, seed: int) -> Outcome:
    """Plays changed sessions.

    Args:
        count: Number of sessions.
        seed: Determines all changes.
    """
    sessions = recorded()
    outcome = Outcome()
    before_mb = _peak_mb()
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        data = changed(chance.choice(sessions), chance)
        began_s = time.monotonic()
        try:
            outcome.frames += _frames(data)
        except EXPECTED as error:
            outcome.ends[type(error).__name__] += 1
        except Exception:
            outcome.crashes.append(f"{number}: {traceback.format_exc()}")
        outcome.sessions += 1
        outcome.longest_s = max(outcome.longest_s, time.monotonic() - began_s)
    outcome.memory_mb = _peak_mb() - before_mb
    return outcome


@cache
def recorded() -> tuple[bytes, ...]:
    """What cameras send in sound and odd sessions, from the first response on."""
    films = {slices: pictures("h264", _PICTURES, slices=slices) for slices in (1, 3)}
    found = []
    with (
        OddCameras("h264", films) as h264,
        OddCameras("hevc", {1: pictures("hevc", _PICTURES)}) as hevc,
    ):
        for name, oddity in ODDITIES.items():
            found.append(_recorded(h264.url(name)))
            if is_about_packets(oddity):
                found.append(_recorded(hevc.url(name)))
    return tuple(found)


def changed(session: bytes, chance: random.Random) -> bytes:
    """A session with some bytes changed, moved, removed or put in."""
    data = bytearray(session)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        if not data:
            break
        # Half of the changes are to the messages before the first packet.
        end = min(len(data), _HEAD_BYTES) if chance.random() < 0.5 else len(data)
        at = chance.randrange(end)
        to = min(len(data), at + chance.choice((1, 2, 4, 30, _LONGEST_RUN)))
        what = chance.randrange(6)
        if what == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            data[at:to] = chance.randbytes(to - at)
        elif what == 2:
            del data[at:to]
        elif what == 3:
            place = chance.randrange(len(data))
            data[place:place] = data[at:to]
        elif what == 4:
            data[at:at] = chance.choice(_TOKENS)
        else:
            data[at:to] = chance.choice(_TOKENS)
    return bytes(data)


class _Recorder:
    """A connection that keeps what it receives."""

    def __init__(self, line: Line) -> None:
        self.settimeout, self.sendall, self.close = line.settimeout, line.sendall, line.close
        self._line = line
        self.received = bytearray()

    def recv_into(self, buffer: memoryview, /) -> int:
        size = self._line.recv_into(buffer)
        self.received += buffer[:size]
        return size


def _recorded(url: str) -> bytes:
    """All that a camera sends until it closes the connection."""
    recorders: list[_Recorder] = []

    def connect(address: Address, timeout_s: float) -> Line:
        recorders.append(_Recorder(connected(address, timeout_s)))
        return recorders[-1]

    with (
        suppress(*EXPECTED),
        closing(Session(Address.of(url, USER, PASSWORD), _WAIT_S, connect)) as session,
    ):
        session.play()
        while True:
            session.packets()
            session.fill(_WAIT_S)
    return bytes(recorders[0].received)


def _frames(data: bytes) -> int:
    """The number of frames received where a camera sends these data and closes the connection."""
    camera, line = socket.socketpair()
    with camera, line:
        camera.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        camera.sendall(data)
        camera.shutdown(socket.SHUT_WR)
        count = 0
        with closing(DirectStream(_ADDRESS, _WAIT_S, _WAIT_S, lambda *_: line)) as stream:
            try:
                for _ in stream:
                    count += 1
            except StreamError:
                if not count:
                    raise
    return count


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line has its figures."""
    parser = argparse.ArgumentParser(prog="benchmarks fuzz rtsp", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="changed sessions")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other changes")
    options = parser.parse_args(argv)
    outcome = fuzz(options.count, options.seed)
    for crash in outcome.crashes:
        print(crash)
    print(json.dumps({"benchmark": "fuzz rtsp", "seed": options.seed, **outcome.row()}))
    return int(bool(outcome.crashes))
