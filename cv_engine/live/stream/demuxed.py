"""An open stream of any kind that FFmpeg reads."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from cv_engine.live.encoded_frame import EncodedFrame, StreamFormat
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.ffmpeg_tls import ffmpeg_options
from cv_engine.live.stream.http_source import HLS_OPTIONS, HttpSource
from cv_engine.live.stream.pacing import sleep_until_next_batch
from cv_engine.video.random_access import RandomAccess
from cv_engine.video.timeline import Timeline

if TYPE_CHECKING:
    from av.packet import Packet

# The stream's description holds all that is needed; FFmpeg would read on for five seconds to be
# sure of the rate.
_PROBE_US = 100_000
_PROBE_BYTES = 1_000_000
_WAITED_S = 0.005
# Longest wait for packets that others have overtaken over UDP, microseconds.
_REORDER_US = 300_000
_TO_ANNEX_B = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_MP4_HEADER = 1  # first byte of a codec header in MP4's form, not Annex B's


class DemuxedStream:
    """A connection to a stream through FFmpeg: any protocol, container and codec that FFmpeg reads.

    Args:
        address: Address of the stream.
        open_s: Longest wait until the stream is open, seconds.
        stall_s: Longest wait for the next frame, seconds.

    Raises:
        StreamError: The stream has no video in a known format.
        av.FFmpegError, OSError, ValueError: FFmpeg cannot open the stream.
    """

    def __init__(self, address: Address, open_s: float, stall_s: float) -> None:
        self._address = address
        self._stall_s = stall_s
        self._container = _opened(address, open_s, stall_s)
        try:
            self._stream = _video_of(self._container)
            self._filter, self._format = _prepared(self._stream)
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[EncodedFrame]:
        """Yields frames as FFmpeg delivers them.

        Raises:
            StreamError: The stream has ended, or no frame came for ``stall_s``.
            av.FFmpegError, OSError, ValueError: FFmpeg reports an error.
        """
        timeline = Timeline.of(self._stream)
        form = self._format
        access = RandomAccess(form.codec)
        paced = self._address.transport == "tcp"
        asked_s = time.monotonic()
        for packet in self._container.demux(self._stream):
            arrived_s = time.monotonic()
            for filtered in self._filtered(packet) if packet.size else ():
                # FFmpeg knows the recovery points of H.264, not those of H.265.
                may_begin = filtered.is_keyframe or form.codec == "hevc"
                recovery = access.recovery(filtered) if may_begin else None
                key = recovery is not None
                # Key frames only: they come often enough to keep the clock right.
                sent_at = _sent_at(filtered) if key else None
                media_s = timeline.place(filtered)
                yield EncodedFrame(filtered, media_s, key, arrived_s, sent_at, form, recovery or 0)
            # All there is has been read where the last packet had to be waited for.
            if paced and arrived_s - asked_s > _WAITED_S:
                sleep_until_next_batch()
            asked_s = time.monotonic()
        # FFmpeg ends the loop the same way for a silent camera as for one that closes the stream.
        silent_s = time.monotonic() - asked_s
        late = silent_s >= self._stall_s
        raise StreamError("no more frames come" if late else "the stream has ended")

    def _filtered(self, packet: Packet[VideoStream]) -> list[Packet[VideoStream]]:
        return [packet] if self._filter is None else self._filter.filter(packet)

    def close(self) -> None:
        """Closes the connection."""
        self._container.close()


def _opened(address: Address, open_s: float, stall_s: float) -> InputContainer:
    options, timeout = _options(address, open_s), (open_s, stall_s)
    if address.scheme in ("http", "https"):
        source = HttpSource(address, min(open_s, stall_s))
        # FFmpeg gets no password: it would repeat it in every address of a playlist.
        return av.open(
            source.url, options={**options, **HLS_OPTIONS}, timeout=timeout, io_open=source.open
        )
    with ffmpeg_options(address) as tls_options:
        return av.open(
            address.with_credentials, options={**options, **tls_options}, timeout=timeout
        )


def _options(address: Address, open_s: float) -> dict[str, str]:
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
            "timeout": str(round(open_s * 1e6)),
        }
    return options


def _video_of(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        raise StreamError("the stream has no video in a known format")
    # Audio is discarded as early as possible.
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return stream


def _prepared(stream: VideoStream) -> tuple[BitStreamFilterContext | None, StreamFormat]:
    context = stream.codec_context
    header = bytes(context.extradata or b"")
    name = context.codec.canonical_name
    bitstream_filter = None
    if header[:1] == bytes([_MP4_HEADER]) and name in _TO_ANNEX_B:
        bitstream_filter = BitStreamFilterContext(_TO_ANNEX_B[name], stream)
        header = b""  # the filter puts the parameter sets before every key frame
    base = stream.time_base or Fraction(1, 90_000)
    return bitstream_filter, StreamFormat(name, header, context.width, context.height, base)


def _sent_at(packet: Packet[VideoStream]) -> float | None:
    """The camera's time from the last RTCP sender report, seconds since 1970."""
    if not packet.has_sidedata("prft"):
        return None
    # AVProducerReferenceTime: wall clock in microseconds, then flags.
    (wall_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return float(wall_us / 1e6)
