"""A compressed frame as it arrives from a camera, and the format of its stream."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from av.video.stream import VideoStream

if TYPE_CHECKING:
    from av.packet import Packet


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What is needed to decode or store a stream's frames.

    Attributes:
        codec: FFmpeg's name of the codec.
        header: Parameter sets from the stream's description; empty where they come with the
            frames.
        width: Width in pixels, as far as known.
        height: Height in pixels, as far as known.
        time_base: Seconds per tick of the frames' timestamps.
    """

    codec: str
    header: bytes
    width: int
    height: int
    time_base: Fraction


class EncodedFrame(NamedTuple):
    """A compressed frame that has arrived.

    Attributes:
        packet: The compressed data, with timestamps that do not run backwards.
        media_s: Time on the stream's own clock, seconds; 0 is the first frame.
        key: Whether decoding can begin with the frame.
        arrived_s: When the frame arrived, seconds on a clock that never jumps.
        sent_at: When the frame was taken by the camera's clock, seconds since 1970; ``None`` where
            the stream does not say: between key frames, and without an RTCP sender report.
        format: Format of the stream.
        recovery: Frames after this key frame until pictures are whole: 0 where it can be decoded
            alone, more at a recovery point, where the encoder renews pictures part by part.
    """

    packet: Packet[VideoStream]
    media_s: float
    key: bool
    arrived_s: float
    sent_at: float | None
    format: StreamFormat
    recovery: int = 0

    @property
    def alone(self) -> bool:
        """Whether the frame can be decoded without any other."""
        return self.key and not self.recovery
