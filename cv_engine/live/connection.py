"""An open stream: its compressed pictures as they arrive."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from cv_engine.live.address import Address
from cv_engine.video.timeline import Timeline

if TYPE_CHECKING:
    from av.packet import Packet

# Longest wait for the answer to an attempt, seconds.
OPEN_S = 15.0
# The stream's description tells all that is needed; FFmpeg would read on for five seconds to be sure
# of the rate.
_PROBE_US = 100_000
_PROBE_BYTES = 1_000_000
# Over TCP nothing is lost by waiting, and a thread that wakes up for every picture costs twice as
# much as one that takes eight at a time: so long it sleeps when it has taken all there is, which
# shows in that it had to wait for the last one.
_NAP_S = 0.3
_WAITED_S = 0.005
# How long packets that overtook others are waited for over UDP, microseconds.
_REORDER_US = 300_000
_TO_ANNEX_B = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_MP4_HEADER = 1  # first byte of a codec header in MP4's form, not Annex B's


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


class Connection:
    """One connection to a stream.

    Args:
        address: Where it is.
        stall_s: Longest wait for the next picture, seconds.

    Raises:
        StreamError: It cannot be opened.
    """

    def __init__(self, address: Address, stall_s: float) -> None:
        self._address = address
        self._stall_s = stall_s
        began_s = time.monotonic()
        try:
            self._container: InputContainer = av.open(
                address.with_credentials,
                options=_options(address),
                timeout=(OPEN_S, stall_s),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            if time.monotonic() - began_s >= OPEN_S:
                raise StreamError("no answer in time") from None
            raise StreamError(_reason(error, address)) from None
        try:
            self._stream = _video_of(self._container)
            self._filter, self._format = _prepared(self._stream)
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[Arrival]:
        """Yields pictures as they arrive.

        Raises:
            StreamError: No more are coming.
        """
        timeline = Timeline.of(self._stream)
        naps = self._address.transport == "tcp"
        asked_s = time.monotonic()
        try:
            for packet in self._container.demux(self._stream):
                arrived_s = time.monotonic()
                for picture in self._filtered(packet) if packet.size else ():
                    key = picture.is_keyframe
                    # Asked of key frames only: they come often enough to tell the time by.
                    sent_at = _sent_at(picture) if key else None
                    media_s = timeline.place(picture)
                    yield Arrival(picture, media_s, key, arrived_s, sent_at, self._format)
                if naps and arrived_s - asked_s > _WAITED_S:
                    time.sleep(_NAP_S)
                asked_s = time.monotonic()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise StreamError(_reason(error, self._address)) from None
        # A camera that falls silent ends like one that says so.
        silent_s = time.monotonic() - asked_s
        late = silent_s >= self._stall_s
        raise StreamError("no more pictures come" if late else "the stream has ended")

    def _filtered(self, packet: Packet[VideoStream]) -> list[Packet[VideoStream]]:
        return [packet] if self._filter is None else self._filter.filter(packet)

    def close(self) -> None:
        """Lets the connection go."""
        self._container.close()


def _options(address: Address) -> dict[str, str]:
    options = {
        "analyzeduration": str(_PROBE_US),
        "probesize": str(_PROBE_BYTES),
        "fpsprobesize": "0",
    }
    if address.scheme in ("rtsp", "rtsps"):
        options |= {
            "rtsp_transport": address.transport,
            "allowed_media_types": "video",
            "max_delay": str(_REORDER_US),
            "timeout": str(round(OPEN_S * 1e6)),
        }
    return options


def _video_of(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        raise StreamError("the stream has no pictures in a known format")
    # Sound is thrown away as early as possible.
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return stream


def _prepared(stream: VideoStream) -> tuple[BitStreamFilterContext | None, Format]:
    context = stream.codec_context
    header = bytes(context.extradata or b"")
    name = context.codec.canonical_name
    bitstream_filter = None
    if header[:1] == bytes([_MP4_HEADER]) and name in _TO_ANNEX_B:
        bitstream_filter = BitStreamFilterContext(_TO_ANNEX_B[name], stream)
        header = b""  # the filter puts the parameter sets before every key frame
    base = stream.time_base or Fraction(1, 90_000)
    return bitstream_filter, Format(name, header, context.width, context.height, base)


def _sent_at(packet: Packet[VideoStream]) -> float | None:
    """The camera's time from the last RTCP sender report, seconds since 1970."""
    if not packet.has_sidedata("prft"):
        return None
    # AVProducerReferenceTime: wall clock in microseconds, then flags.
    (wall_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return float(wall_us / 1e6)


def _reason(error: Exception, address: Address) -> str:
    """What went wrong, in words for people."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "the camera refuses user or password"
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    if isinstance(error, av.error.InvalidDataError):
        return "what it sends is no stream"
    if getattr(error, "errno", None) == errno.EIO and not _is_known(address.host):
        return f"there is no host named {address.host}, or the name service does not answer"
    text = getattr(error, "strerror", None) or str(error)
    return address.hide(text)


def _is_known(host: str) -> bool:
    """Whether a name leads to a machine; FFmpeg only says that something went wrong."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
