"""The compressed pictures of a video, in decoding order, with timestamps that a muxer accepts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeAlias, cast

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.video.demux import packets_of
from cv_engine.video.rate import Rate, has_clock, rate_of

if TYPE_CHECKING:  # PyAV's packets are generic to the type checker only
    from av.packet import Packet

    VideoPacket: TypeAlias = Packet[VideoStream]

_INDEXED = frozenset({"avi", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"})
_LONGEST_PAUSE_S = 3600.0  # a clock that leaps ahead by more was set: the recording did not pause
_JUMP_S = 1.0  # a clock that falls back by more was reset; a smaller step is jitter
_READ_ERRORS = 200  # at the beginning, after which nothing is read: each error moves FFmpeg ahead
_PACKED = re.compile(rb"DivX\d+(?:Build|b)\d+p")  # how old DivX and XviD encoders mark packing
_VOP_START = b"\x00\x00\x01\xb6"  # ISO/IEC 14496-2, 6.2.1: start of a picture
_MS_MPEG4 = frozenset({"msmpeg4v2", "msmpeg4v3", "wmv1"})
_REORDERED = 2  # pictures by which decoding runs ahead of display: those of usual B-frames
_LONGEST_GROUP = 1500  # pictures held at once: a minute
_VOP_B = 2  # ISO/IEC 14496-2, table 6-20: bidirectionally predicted


class PacketReader:
    """Reads one video stream's packets, and repairs the timestamps of old containers.

    Four defects are repaired, and no picture is changed: missing or invented presentation times
    (AVI stores none, raw streams store no time at all), pictures packed two to a packet (DivX,
    XviD), decoding times that repeat or fall back, and pictures that an AVI file without index
    wrongly marks as key frames.

    Args:
        container: An open input.
        stream: The stream of ``container`` to read.
        stated_rate: See :func:`cv_engine.video.rate.rate_of`.

    Attributes:
        container: The open input.
        stream: The stream that is read.
        repaired: Number of packets whose time differs from the file's.
        stopped: Why reading ended before the end of the file, ``None`` if it did not.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, stated_rate: Rate | None = None
    ) -> None:
        self.container = container
        self.stream = stream
        self.time_base = stream.time_base or Fraction(1, 90_000)
        rate = rate_of(stream, stated_rate).per_second
        self._step = max(1, round(1 / (rate * self.time_base)))
        self._invented = container.format.name == "avi" or not self.has_clock
        self.repaired = 0
        self.stopped: str | None = None

    @property
    def codec(self) -> str:
        """The codec's name, whichever decoder is used (``av1``, not ``libdav1d``)."""
        return self.stream.codec_context.codec.canonical_name

    @property
    def has_clock(self) -> bool:
        """Whether the file stores times."""
        return has_clock(self.stream) and self.stream.start_time is not None

    @property
    def can_seek(self) -> bool:
        """Whether seeking by time is safe.

        A container with an index has one clock. In others (MPEG-TS) the clock may have been reset
        in the middle, so that one time names two moments, which only reading from the start can
        tell apart.
        """
        return self.has_clock and self.container.format.name in _INDEXED

    def seconds(self, ticks: int) -> float:
        """Media time of a timestamp, in seconds from the stream's start."""
        return float((ticks - (self.stream.start_time or 0)) * self.time_base)

    @property
    def codec_header(self) -> bytes:
        """The stream's codec header without the mark of packed pictures: they are unpacked here."""
        header = bytes(self.stream.codec_context.extradata or b"")
        return _PACKED.sub(lambda mark: mark.group()[:-1] + b"n", header)

    def __iter__(self) -> Iterator[VideoPacket]:
        codec = self.codec
        packets: Iterable[VideoPacket] = self._numbered(self._demuxed())
        if codec in _MS_MPEG4:
            packets = _with_true_key_frames(packets)
        if codec == "mpeg4" and self._invented:
            packets = _in_display_order(self._unpacked(packets), self._step)
        elif codec in ("h264", "hevc") and self._invented:
            packets = self._reordered(packets)
        return self._monotonic(self._with_decoding_times(packets))

    def _demuxed(self) -> Iterator[VideoPacket]:
        begun = False
        for _ in range(_READ_ERRORS):
            try:
                for packet in packets_of(self.container, self.stream):
                    if packet.size:
                        begun = True
                        yield packet
                return
            except (av.FFmpegError, OSError) as error:
                self.stopped = str(error)
            if begun:
                return

    def _numbered(self, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        """Numbers the packets of a raw stream: decoding times at the stream's rate."""
        for number, packet in enumerate(packets):
            if not self.has_clock:
                packet.time_base = self.time_base
                packet.dts, packet.pts = number * self._step, None
                packet.duration = self._step
                self.repaired += 1
            yield packet

    def _unpacked(self, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        if not _PACKED.search(bytes(self.stream.codec_context.extradata or b"")):
            return iter(packets)
        return self._filtered(packets, BitStreamFilterContext("mpeg4_unpack_bframes", self.stream))

    def _reordered(self, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        """Adds presentation times: the n-th picture shown has the time of the n-th packet.

        What is before the first key frame cannot be decoded and is left out.
        """
        delay = self._step * (_REORDERED if self.stream.codec_context.has_b_frames else 0)
        key_frames = 0

        def group_of(packet: VideoPacket) -> int:
            nonlocal key_frames
            key_frames += packet.is_keyframe
            return key_frames

        for number, group in groupby(packets, group_of):
            for packet in self._shown(group) if number else ():
                packet.dts = (packet.dts or 0) - delay
                yield packet

    def _shown(self, group: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        """The packets of one group of pictures, with presentation times.

        FFmpeg's filter derives the order of display from the pictures' headers, within one group;
        the times it gives differ from group to group.
        """
        ordered = self._ordered(group)
        while part := list(islice(ordered, _LONGEST_GROUP)):
            times = sorted(packet.dts or 0 for packet in part)
            for time, packet in zip(times, sorted(part, key=_order), strict=True):
                packet.pts = time
            yield from part

    def _ordered(self, group: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        """One group's packets with presentation times that FFmpeg's filter finds.

        The filter reads headers more strictly than the decoder. Where they are refused and no
        picture is reordered, the order of decoding is that of display.
        """
        dts2pts = BitStreamFilterContext("dts2pts", self.stream)
        for packet in _ended(group):
            copy = None if packet is None else _copy_of(packet)  # the filter takes out the data
            try:
                yield from dts2pts.filter(copy)
            except av.FFmpegError as error:
                if self.stream.codec_context.has_b_frames:
                    self.stopped = str(error)
                    return
                if packet is not None:
                    yield packet

    def _filtered(
        self, packets: Iterable[VideoPacket], bitstream_filter: BitStreamFilterContext
    ) -> Iterator[VideoPacket]:
        for packet in _ended(packets):
            try:
                filtered = bitstream_filter.filter(packet)
            except av.FFmpegError as error:
                self.stopped = str(error)
                return
            yield from filtered

    def _with_decoding_times(self, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        """Fills in the decoding times that Matroska omits for the first few packets."""
        waiting: list[VideoPacket] = []
        for packet in packets:
            if packet.dts is None:
                waiting.append(packet)
                continue
            yield from self._backfilled(waiting, packet.dts)
            waiting = []
            yield packet
        if waiting:
            latest = max((p.pts for p in waiting if p.pts is not None), default=0)
            yield from self._backfilled(waiting, latest + self._step)

    def _backfilled(self, waiting: list[VideoPacket], until: int) -> Iterator[VideoPacket]:
        for left, packet in zip(range(len(waiting), 0, -1), waiting, strict=True):
            packet.dts = until - left * self._step
            self.repaired += 1
            yield packet

    def _monotonic(self, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        last: int | None = None
        shift = 0
        for packet in packets:
            dts = (packet.dts or 0) + shift
            pts = dts if packet.pts is None else packet.pts + shift
            if last is not None:
                ahead_s = (dts - last) * self.time_base
                if ahead_s < -_JUMP_S or ahead_s > _LONGEST_PAUSE_S:
                    jump = last + self._step - dts
                    shift, dts, pts = shift + jump, dts + jump, pts + jump
                    self.repaired += 1
                elif ahead_s <= 0:
                    dts = last + 1
                    self.repaired += 1
            last = dts
            packet.dts, packet.pts = dts, max(pts, dts)
            yield packet


def _order(packet: VideoPacket) -> float:
    """The place in the order of display; the filter leaves out times at the end of a group."""
    return math.inf if packet.pts is None else packet.pts


def _copy_of(packet: VideoPacket) -> VideoPacket:
    """A copy of a packet with its times."""
    copy = cast("VideoPacket", av.Packet(bytes(packet)))
    copy.time_base, copy.pts, copy.dts = packet.time_base, packet.pts, packet.dts
    copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
    return copy


def _ended(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket | None]:
    yield from packets
    yield None


def _with_true_key_frames(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
    """Marks key frames by the first two bits of a picture in Microsoft's MPEG-4."""
    for packet in packets:
        packet.is_keyframe = bytes(packet)[0] >> 6 == 0
        yield packet


def _in_display_order(packets: Iterable[VideoPacket], step: int) -> Iterator[VideoPacket]:
    """Adds the presentation times that AVI does not store to MPEG-4 part 2 packets.

    A B picture is shown when it is decoded; any other picture, when the next one that is not a B
    picture is decoded (ISO/IEC 14496-2, 6.1.3.7).
    """
    anchor: VideoPacket | None = None
    between: list[VideoPacket] = []
    for packet in packets:
        data = bytes(packet)
        at = data.find(_VOP_START) + len(_VOP_START)
        coded = len(_VOP_START) <= at < len(data)
        packet.pts = packet.dts
        if coded and data[at] >> 6 == _VOP_B:
            between.append(packet)
            continue
        yield from _shown(anchor, between, packet.dts)
        # A packet that is not coded is a placeholder for a picture that the encoder dropped.
        anchor, between = (packet if coded else None), []
    last = between[-1] if between else anchor
    yield from _shown(anchor, between, None if last is None else (last.dts or 0) + step)


def _shown(
    anchor: VideoPacket | None, between: list[VideoPacket], when: int | None
) -> Iterator[VideoPacket]:
    if anchor is not None:
        anchor.pts = when
        yield anchor
    yield from between
