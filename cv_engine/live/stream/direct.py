"""An open RTSP stream over TCP, read as cheaply as may be: what nearly all cameras send."""

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
from cv_engine.live.stream.rtp import Depacketizer, Picture, SenderReport
from cv_engine.live.stream.rtsp import Session
from cv_engine.video.timeline import USUAL_RATE, Timeline


class DirectStream:
    """One connection to a camera that sends H.264 or H.265 by RTSP over TCP.

    Args:
        address: Where it is.
        open_s: Longest wait until it is open, seconds.
        stall_s: Longest wait for the next picture, seconds.

    Raises:
        StreamError: It cannot be opened.
        UnknownFormatError: It sends something else.
        OSError: The line.
    """

    def __init__(self, address: Address, open_s: float, stall_s: float) -> None:
        self._session = Session(address, open_s)
        self._stall_s = stall_s
        self._media = self._session.media
        self._depacketizer = Depacketizer(self._media.codec, self._media.payload_type)
        self._report: SenderReport | None = None
        self._format: StreamFormat | None = None

    def __iter__(self) -> Iterator[EncodedFrame]:
        """Yields pictures as they arrive.

        Raises:
            StreamError: No more are coming.
            OSError: The line.
        """
        self._session.play()
        base = Fraction(1, self._media.clock_rate)
        rate = self._media.rate or USUAL_RATE
        timeline = Timeline(base, max(1, round(1 / (rate * base))))
        heard_s = time.monotonic()
        while True:
            all_of_it = self._session.fill(heard_s + self._stall_s - time.monotonic())
            arrived_s = time.monotonic()
            for picture in self._received():
                heard_s = arrived_s
                form = self._format or self._form_of(picture)
                if form is not None:
                    self._format = form
                    yield self._arrival(picture, timeline, arrived_s, form)
            self._session.keep_alive(arrived_s)
            if all_of_it:
                sleep_until_next_batch()

    def close(self) -> None:
        """Lets the connection go."""
        self._session.close()

    def _received(self) -> list[Picture]:
        buffer = self._session.buffer
        pictures, reports = self._session.packets()
        for start, stop in reports:
            self._report = SenderReport.of(buffer, start, stop) or self._report
        return self._depacketizer.feed(buffer, pictures)

    def _form_of(self, picture: Picture) -> StreamFormat | None:
        """The stream's format, ``None`` where it does not show in this picture."""
        media = self._media
        size = _size_of(media.codec, media.header + picture.data)
        if size is None:
            return None
        return StreamFormat(media.codec, media.header, *size, Fraction(1, media.clock_rate))

    def _arrival(
        self, picture: Picture, timeline: Timeline, arrived_s: float, form: StreamFormat
    ) -> EncodedFrame:
        packet = cast("Packet[VideoStream]", Packet(picture.data))
        packet.pts, packet.time_base = picture.ticks, form.time_base
        packet.is_keyframe, packet.is_corrupt = picture.key, not picture.whole
        media_s = timeline.place(packet)
        # Asked of key frames only: they come often enough to tell the time by.
        sent_at = self._sent_at(picture) if picture.key else None
        return EncodedFrame(packet, media_s, picture.key, arrived_s, sent_at, form)

    def _sent_at(self, picture: Picture) -> float | None:
        """The camera's time from its last report, seconds since 1970."""
        if self._report is None:
            return None
        ahead = picture.ticks - self._depacketizer.ticks_at(self._report.stamp)
        return self._report.sent_at + ahead / self._media.clock_rate


def _size_of(codec: str, data: bytes) -> tuple[int, int] | None:
    """Width and height of a picture; ``None`` where the data do not tell."""
    try:
        with av.open(io.BytesIO(data), format=codec) as container:
            context = container.streams.video[0].codec_context
            return (context.width, context.height) if context.width and context.height else None
    except (av.FFmpegError, ValueError, IndexError):
        return None
