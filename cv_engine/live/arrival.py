"""What a connection to a camera gives: compressed pictures as they arrive, or why none come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from av.video.stream import VideoStream

if TYPE_CHECKING:
    from av.packet import Packet

# Over TCP nothing is lost by waiting, and a thread that wakes up for every picture costs several times
# as much as one that takes fifteen at a time.
_BEAT_S = 0.6


def nap() -> None:
    """Sleeps until the next beat, which is the same for all streams; for who has taken all there is.

    One after the other they find the code that they run in the processor's caches: that is a quarter off
    what receiving costs when each has a beat of its own.
    """
    time.sleep(_BEAT_S - time.monotonic() % _BEAT_S)


class StreamError(Exception):
    """A stream cannot be opened or has broken off; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Format:
    """What is needed to decode or store a stream's pictures.

    Attributes:
        codec: FFmpeg's name of it.
        header: Parameter sets, as the stream's description gave them; empty where they come with
            the pictures.
        width: Width in pixels, as far as known.
        height: Height likewise.
        time_base: Seconds per tick of the pictures' timestamps.
    """

    codec: str
    header: bytes
    width: int
    height: int
    time_base: Fraction


class Arrival(NamedTuple):
    """A compressed picture that has arrived.

    Attributes:
        packet: It, with timestamps that do not run backwards.
        media_s: Its time on the stream's own clock, seconds; 0 is the first picture.
        key: Whether it can be decoded alone.
        arrived_s: When it arrived, seconds on a clock that never jumps.
        sent_at: When it was taken by the camera's clock, seconds since 1970; ``None`` where the
            stream does not tell: between key frames, and without an RTCP sender report.
        format: Of the stream that it came in.
    """

    packet: Packet[VideoStream]
    media_s: float
    key: bool
    arrived_s: float
    sent_at: float | None
    format: Format
