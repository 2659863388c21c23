"""An open RTSP stream over TCP, read at little cost: what nearly all cameras send."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from cv_engine.live.encoded_frame import EncodedFrame, StreamFormat
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.pacing import sleep_until_next_batch
from cv_engine.live.stream.rtp import AccessUnit, Depacketizer, SenderReport
from cv_engine.live.stream.rtsp import Session
from cv_engine.video.timeline import USUAL_RATE, Timeline


class DirectStream:
    """A connection to a camera that sends H.264 or H.265 by RTSP over TCP, without FFmpeg.

    Args:
        address: Address of the camera's stream.
        open_s: Longest time until the session is set up, seconds.
        stall_s: Longest time without a frame before the stream counts as lost, seconds.

    Raises:
        StreamError: The camera refuses, or does not answer in RTSP.
        UnknownFormatError: The stream is not H.264 or H.265, or the camera redirects.
        OSError: The network connection fails.
    """

    def __init__(self, address: Address, open_s: float, stall_s: float) -> None:
        self._session = Session(address, open_s)
        self._stall_s = stall_s
        self._media = self._session.media
        self._depacketizer = Depacketizer(self._media.codec, self._media.payload_type)
        self._report: SenderReport | None = None
        self._format: StreamFormat | None = None

    def __iter__(self) -> Iterator[EncodedFrame]:
        """Starts the stream and yields each frame once it is complete.

        Raises:
            StreamError: The camera refuses to play, or ends the stream.
            OSError: The network connection fails, or no frame came for ``stall_s``.
        """
        self._session.play()
        base = Fraction(1, self._media.clock_rate)
        rate = self._media.rate or USUAL_RATE
        timeline = Timeline(base, max(1, round(1 / (rate * base))))
        heard_s = time.monotonic()
        while True:
            emptied = self._session.fill(heard_s + self._stall_s - time.monotonic())
            arrived_s = time.monotonic()
            for unit in self._received():
                heard_s = arrived_s
                self._format = self._format or self._format_of(unit)
                if self._format is not None:
                    yield self._frame(unit, timeline, arrived_s, self._format)
            self._session.keep_alive(arrived_s)
            if emptied:
                sleep_until_next_batch()

    def close(self) -> None:
        """Ends the session and closes the connection."""
        self._session.close()

    def _received(self) -> list[AccessUnit]:
        buffer = self._session.buffer
        media, reports = self._session.packets()
        for start, stop in reports:
            self._report = SenderReport.of(buffer, start, stop) or self._report
        return self._depacketizer.feed(buffer, media)

    def _format_of(self, unit: AccessUnit) -> StreamFormat | None:
        """The stream's format, ``None`` where this access unit does not contain it."""
        media = self._media
        size = _size_of(media.codec, media.header + unit.data)
        if size is None:
            return None
        return StreamFormat(media.codec, media.header, *size, Fraction(1, media.clock_rate))

    def _frame(
        self, unit: AccessUnit, timeline: Timeline, arrived_s: float, form: StreamFormat
    ) -> EncodedFrame:
        packet = cast("Packet[VideoStream]", Packet(unit.data))
        packet.pts, packet.time_base = unit.ticks, form.time_base
        packet.is_keyframe, packet.is_corrupt = unit.key, not unit.whole
        media_s = timeline.place(packet)
        # Key frames only: they come often enough to keep the clock right.
        sent_at = self._sent_at(unit) if unit.key else None
        return EncodedFrame(packet, media_s, unit.key, arrived_s, sent_at, form)

    def _sent_at(self, unit: AccessUnit) -> float | None:
        """The camera's time from its last report, seconds since 1970."""
        if self._report is None:
            return None
        ahead = unit.ticks - self._depacketizer.ticks_at(self._report.stamp)
        return self._report.sent_at + ahead / self._media.clock_rate


def _size_of(codec: str, data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; ``None`` where the data hold no parameter sets."""
    try:
        with av.open(io.BytesIO(data), format=codec) as container:
            context = container.streams.video[0].codec_context
            return (context.width, context.height) if context.width and context.height else None
    except (av.FFmpegError, ValueError, IndexError):
        return None
