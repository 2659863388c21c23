"""Encoded frames as a connection yields them, read from a file, and clocks that are set by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import StreamError
from tests.video.recordings import record, times

# When the tests' cameras are switched on: 2026-05-01 08:00 UTC, a Friday.
BEGAN_S = 1_777_622_400.0


def encoded_frames(path: Path) -> list[EncodedFrame]:
    """All frames of a file, as a connection yields them."""
    # Over UDP the connection does not wait for the next batch.
    connection = Connection(Address(str(path), transport="udp"), stall_s=10.0)
    found = []
    try:
        for encoded in connection:
            found.append(encoded)
    except StreamError:
        return found
    finally:
        connection.close()
    return found


def numbered(
    folder: Path,
    count: int,
    *,
    rate: float = 10.0,
    gop: int = 10,
    b_frames: int = 0,
    codec: str = "libx264",
    suffix: str = ".ts",
) -> list[EncodedFrame]:
    """Frames that show their own number, ``rate`` per second; see `tests.video.recordings`."""
    formats = {"mjpeg": "yuvj420p"}
    path = record(
        folder / f"numbered{suffix}",
        times(count, rate),
        codec=codec,
        gop=gop,
        b_frames=b_frames,
        pixel_format=formats.get(codec, "yuv420p"),
    )
    return encoded_frames(path)


@dataclass
class HandClock:
    """The two clocks of a machine.

    Attributes:
        wall: Seconds since 1970; may be set.
        monotonic: Never jumps.
    """

    wall: float = BEGAN_S
    monotonic: float = 1000.0

    def pass_by(self, seconds: float) -> None:
        """Time goes by."""
        self.wall += seconds
        self.monotonic += seconds

    def capture(self) -> CaptureClock:
        """A camera's clock on this machine."""
        return CaptureClock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)


def units_of(data: bytes) -> tuple[bytes, ...]:
    """The NAL units of an H.264 or H.265 frame, without start codes."""
    parts = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return tuple(part for part in parts if part)
