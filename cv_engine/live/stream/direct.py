"""An open RTSP stream over TCP, read at little cost: what nearly all cameras send."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from cv_engine.live.encoded_frame import EncodedFrame, StreamFormat
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.bitstream.access_units import AccessUnit, Assembler
from cv_engine.live.stream.bitstream.nal_units import NalUnit
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets
from cv_engine.live.stream.errors import StreamError, UndecodableError
from cv_engine.live.stream.interleaved import NOT_A_STREAM, Line
from cv_engine.live.stream.pacing import sleep_until_next_batch
from cv_engine.live.stream.rtp import Depacketizer, SenderReport
from cv_engine.live.stream.rtsp import Session, connected
from cv_engine.live.stream.sample_watch import NO_PARAMETER_SETS
from cv_engine.video.timeline import USUAL_RATE, Timeline


class DirectStream:
    """A connection to a camera that sends H.264 or H.265 by RTSP over TCP, without FFmpeg.

    Args:
        address: Address of the camera's stream.
        open_s: Longest time until the session is set up, seconds.
        stall_s: Longest time without a frame before the stream counts as lost, seconds.
        connect: Opens the connection to an address, waiting for at most so many seconds.

    Raises:
        StreamError: The camera refuses, or does not answer in RTSP.
        RedirectError: The camera names another address.
        UnknownFormatError: The stream is not H.264 or H.265.
        OSError: The network connection fails.
    """

    def __init__(
        self,
        address: Address,
        open_s: float,
        stall_s: float,
        connect: Callable[[Address, float], Line] = connected,
    ) -> None:
        self._session = Session(address, open_s, connect)
        self._stall_s = stall_s
        self._media = media = self._session.media
        self._sets = ParameterSets(media.codec, media.parameter_sets)
        self._depacketizer = Depacketizer(
            media.codec, media.payload_type, is_numbered=media.is_numbered
        )
        self._assembler = Assembler(media.codec, self._sets)
        self._report: SenderReport | None = None
        self._format: StreamFormat | None = None
        self._known_sets = b""  # those that the format was last determined by
        self._has_units = False  # whether any part of a picture has arrived
        base = Fraction(1, media.clock_rate)
        self._timeline = Timeline(base, max(1, round(1 / ((media.rate or USUAL_RATE) * base))))

    def __iter__(self) -> Iterator[EncodedFrame]:
        """Starts the stream and yields each frame once it is complete.

        Raises:
            StreamError: The camera refuses to play, ends the stream, or sends pictures that cannot
                be decoded.
            OSError: The network connection fails, or no frame came for ``stall_s``.
        """
        self._session.play()
        arrived_s = heard_s = time.monotonic()
        emptied = False
        while True:
            units = self._received(arrived_s)
            yield from self._frames(self._assembler.add(units))
            self._has_units |= bool(units)
            if units and (self._format is not None or self._awaits_first_picture):
                heard_s = arrived_s
            self._session.keep_alive(arrived_s)
            if emptied:
                sleep_until_next_batch()
            try:
                emptied = self._session.fill(heard_s + self._stall_s - time.monotonic())
            except (StreamError, OSError) as error:
                yield from self._frames(self._assembler.add(self._depacketizer.flush()))
                yield from self._frames(self._assembler.flush())
                raise self._explained(error) from None
            arrived_s = time.monotonic()

    def close(self) -> None:
        """Ends the session and closes the connection."""
        self._session.close()

    @property
    def _awaits_first_picture(self) -> bool:
        """Whether the first picture has begun, and its format will be known when it is complete."""
        return self._sets.are_complete and not self._known_sets

    def _received(self, arrived_s: float) -> Sequence[NalUnit]:
        buffer = self._session.buffer
        media, reports = self._session.packets()
        for start, stop in reports:
            self._report = SenderReport.of(buffer, start, stop) or self._report
        return self._depacketizer.feed(buffer, media, arrived_s)

    def _explained(self, error: Exception) -> Exception:
        """The reason for the end of a stream, as far as what has arrived tells more."""
        if self._has_units and self._format is None:
            return UndecodableError(NO_PARAMETER_SETS)
        if self._has_units:
            return error
        if self._session.discarded:
            return StreamError(NOT_A_STREAM)
        if isinstance(error, StreamError):
            return StreamError("the camera closes the connection before the first picture")
        return error

    def _frames(self, units: Iterable[AccessUnit]) -> Iterator[EncodedFrame]:
        for unit in units:
            if self._format is None or unit.key:
                self._update_format(unit)
            if self._format is not None:
                yield self._frame(unit, self._format)

    def _update_format(self, unit: AccessUnit) -> None:
        """Determines the format where it is not known, or the parameter sets have changed."""
        sets, known = self._sets.data, self._format
        is_new = sets != self._known_sets or (known is None and unit.key)
        if not (is_new and self._sets.are_complete):
            return
        self._known_sets = sets
        codec = self._media.codec
        size = _size_of(codec, sets + unit.data)
        # A format of the same size stays: frames continue those before.
        if size is not None and (known is None or size != (known.width, known.height)):
            base = Fraction(1, self._media.clock_rate)
            self._format = StreamFormat(codec, sets, *size, base)

    def _frame(self, unit: AccessUnit, form: StreamFormat) -> EncodedFrame:
        data, ticks, recovery, whole, arrived_s = unit
        key = recovery is not None
        packet = cast("Packet[VideoStream]", Packet(data))
        packet.pts, packet.time_base = ticks, form.time_base
        packet.is_keyframe, packet.is_corrupt = key, not whole
        media_s = self._timeline.place(packet)
        # Key frames only: they come often enough to keep the clock right.
        sent_at = self._sent_at(unit) if key else None
        return EncodedFrame(packet, media_s, key, arrived_s, sent_at, form, recovery or 0)

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
