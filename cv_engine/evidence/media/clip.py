"""Cuts a clip out of recorded footage without changing a single picture."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from cv_engine.evidence.errors import ClipError, EvidenceError
from cv_engine.evidence.media.packets import PacketReader
from cv_engine.video.container import AS_STATED, ReadSettings, opened
from cv_engine.video.errors import VideoError

if TYPE_CHECKING:
    from av.container.core import Chapter

    from cv_engine.evidence.media.packets import VideoPacket

_MP4_CODECS = frozenset({"h264", "hevc", "mpeg4", "av1", "vp9", "vvc"})  # played in MP4
_SEEK_MARGIN_S = 1.0  # containers seek by decoding time, which runs ahead of the time shown
_LINGER_S = 2.0  # a slow camera's last picture still shows the scene after this time
_FAST_START = {"movflags": "+faststart"}  # index first: the clip plays while it downloads
_CHAPTER_BASE = Fraction(1, 1000)  # seconds
_BEFORE = "before"  # title of the chapter that shows what was there before the first moment
_REPRODUCIBLE = {"fflags": "+bitexact"}  # the same footage gives the same bytes


@dataclass(frozen=True, slots=True)
class ClipSource:
    """The part of a recording that shows a violation.

    Attributes:
        path: The recording.
        start_s: Media time at which the violation begins, seconds from the stream's start.
        end_s: Media time at which the violation was last seen.
        before_s: Pre-roll in seconds: shows the arrival.
        after_s: Post-roll in seconds: shows the departure.
        longest_s: Longest single clip in seconds. A car that stands for a day would fill the
            disk: beyond this length, one clip shows the start and one the end.
        name: The clip's name.
        settings: What the user states about the recording.
        zero: Time of media time 0, timezone-aware, where it is known.
        chapters: Media time at which each chapter begins, by title.
    """

    path: Path
    start_s: float
    end_s: float
    before_s: float = 5.0
    after_s: float = 5.0
    longest_s: float = 600.0
    name: str = "clip"
    settings: ReadSettings = AS_STATED
    zero: datetime | None = None
    chapters: Mapping[str, float] = field(default_factory=dict)

    def spans(self) -> dict[str, tuple[float, float]]:
        """Returns the clips to cut: name to first and last media second."""
        start, end = max(0.0, self.start_s - self.before_s), self.end_s + self.after_s
        if end - start <= self.longest_s:
            return {self.name: (start, end)}
        half = self.longest_s / 2
        return {
            f"{self.name}-start": (start, start + half),
            f"{self.name}-end": (end - half, end),
        }


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """Content of a clip.

    Attributes:
        path: The clip; the suffix names the container.
        codec: Codec of the pictures, as in the source.
        start_s: Media time of the first picture in the source, seconds from the stream's start.
        end_s: Media time of the last picture.
        pictures: Number of pictures.
        repaired: Number of timestamps that had to be repaired; no picture is changed.
        stopped: Why the clip ends before the end of the span, ``None`` if it does not.
        times_s: Media time of each picture, in the order in which they are shown.
        chapters: Second of the clip at which each of its chapters begins, by title.
    """

    path: Path
    codec: str
    start_s: float
    end_s: float
    pictures: int
    repaired: int
    stopped: str | None
    times_s: tuple[float, ...] = ()
    chapters: Mapping[str, float] = field(default_factory=dict)

    def frame_list(self, zero: datetime) -> bytes:
        """Numbers, times and dates of the pictures: CSV, a line for each in the order shown.

        Args:
            zero: Time of media time 0, timezone-aware.
        """
        start = zero.astimezone(UTC)
        rows = [
            f"{number},{(start + timedelta(seconds=time)).isoformat()},{time - self.start_s:.6f}"
            for number, time in enumerate(self.times_s, start=1)
        ]
        return "\n".join(["number,time_utc,second_of_clip", *rows, ""]).encode()


def cut(
    source: Path,
    start_s: float,
    end_s: float,
    out: Path,
    settings: ReadSettings = AS_STATED,
    chapters: Mapping[str, float] | None = None,
) -> ClipInfo:
    """Cuts ``start_s`` to ``end_s`` out of a recording by copying its packets.

    Nothing is re-encoded, so each picture is bit for bit the camera's. The clip therefore begins
    at the last key frame at or before ``start_s`` (at the first one of the recording, if none lies
    before) and ends with the last picture at or before ``end_s``, followed only by the pictures
    from which that one is predicted. Rotation, pixel shape and colour description are kept. **Sound
    is left out**: speech of passers-by is personal data and proves nothing. Of a damaged or
    truncated source, the readable part is cut.

    Args:
        source: The recording, in any container and codec that FFmpeg reads.
        start_s: Media time in seconds from the stream's start.
        end_s: Media time, not before ``start_s``.
        out: Path without suffix; ``.mp4`` is added if the codec fits, ``.mkv`` otherwise.
        settings: What the user states about the recording.
        chapters: Media time at which each chapter begins, by title; those that do not lie in the
            clip are left out.

    Returns:
        The clip's path and content.

    Raises:
        ClipError: The source is unreadable, or has no key frame or picture in the span.
        OSError: The clip cannot be written; no part of it is left behind.

    Example:
        >>> info = cut(Path("street.mp4"), 12.0, 31.5, Path("clip"))  # doctest: +SKIP
        >>> info.path.name  # doctest: +SKIP
        'clip.mp4'
    """
    if not end_s >= start_s:
        raise ClipError(f"{source}: a clip from {start_s} s to {end_s} s has no length")
    seek = _seek_works(source, settings, start_s)
    with _opened(source, settings) as reader:
        suffix = ".mp4" if reader.codec in _MP4_CODECS else ".mkv"
        path = out.with_name(out.name + suffix)
        try:
            info, size = _copy(reader, (start_s, end_s), path, chapters or {}, seek=seek)
            _check(info, size)
        except BaseException as error:
            path.unlink(missing_ok=True)
            has_advice = isinstance(error, (OSError, EvidenceError))
            if isinstance(error, (av.FFmpegError, ValueError)) and not has_advice:
                raise ClipError(
                    f"{source}: no clip, cannot be stored as {suffix}: {error}"
                ) from error
            raise
    return info


@contextmanager
def _opened(source: Path, settings: ReadSettings) -> Iterator[PacketReader]:
    try:
        with opened(source, settings) as (container, stream):
            yield PacketReader(container, stream, settings.stated_rate())
    except VideoError as error:
        reason = str(error).removeprefix(f"{source}: ")
        raise ClipError(f"{source}: no clip, {reason}") from error


def _copy(
    reader: PacketReader,
    span_s: tuple[float, float],
    path: Path,
    chapters: Mapping[str, float],
    *,
    seek: bool,
) -> tuple[ClipInfo, int]:
    """Copies packets; returns what the clip holds, and how many bytes of pictures."""
    start_s, end_s = span_s
    stream = reader.stream
    options = _REPRODUCIBLE | (_FAST_START if path.suffix == ".mp4" else {})
    with av.open(str(path), "w", container_options=options) as output:
        copied = output.add_stream_from_template(stream, opaque=True)
        if stream.sample_aspect_ratio:
            copied.sample_aspect_ratio = stream.sample_aspect_ratio
        if reader.codec_header:
            copied.codec_context.extradata = reader.codec_header
        if seek:
            _seek(reader, start_s)
        packets = _until(_from_key_frame(reader, start_s), reader, end_s)
        starts: dict[str, float] = {}
        if (first := next(packets, None)) is not None:
            first_s = reader.seconds(first.pts or 0)
            starts = _starts(chapters, first_s, end_s)
            output.set_chapters(_chapters(starts, end_s - first_s))
            packets = chain([first], packets)
        times, size = _mux(output, copied, packets)
    if not times or reader.seconds(max(times)) < start_s - _LINGER_S:
        raise ClipError(
            f"{reader.container.name}: no clip, no readable picture between {start_s:.2f} s and "
            f"{end_s:.2f} s" + (f" ({reader.stopped})" if reader.stopped else "")
        )
    info = ClipInfo(
        path=path,
        codec=reader.codec,
        start_s=reader.seconds(min(times)),
        end_s=reader.seconds(max(times)),
        pictures=len(times),
        repaired=reader.repaired,
        stopped=reader.stopped,
        times_s=tuple(map(reader.seconds, sorted(times))),
        chapters=starts,
    )
    return info, size


def _starts(chapters: Mapping[str, float], start_s: float, end_s: float) -> dict[str, float]:
    """Where in the clip its chapters begin, seconds, in order; the clip begins with one."""
    inside = {title: at_s - start_s for title, at_s in chapters.items() if start_s <= at_s <= end_s}
    if inside and min(inside.values()) > 0:
        inside[_BEFORE] = 0.0
    return dict(sorted(inside.items(), key=lambda item: item[1]))


def _chapters(starts: Mapping[str, float], length_s: float) -> list[Chapter]:
    ends = [*list(starts.values())[1:], length_s][: len(starts)]
    return [
        {
            "id": number,
            "start": round(start_s / _CHAPTER_BASE),
            "end": round(end_s / _CHAPTER_BASE),
            "time_base": _CHAPTER_BASE,
            "metadata": {"title": title},
        }
        for number, ((title, start_s), end_s) in enumerate(
            zip(starts.items(), ends, strict=True), start=1
        )
    ]


def _from_key_frame(reader: PacketReader, start_s: float) -> Iterator[VideoPacket]:
    """Yields packets from the last key frame at or before ``start_s``."""
    packets = iter(reader)
    group: list[VideoPacket] = []
    for packet in packets:
        time = reader.seconds(packet.pts or 0)
        if packet.is_keyframe and (time <= start_s or not group):
            group = []
        if packet.is_keyframe or group:
            group.append(packet)
        if group and reader.seconds(packet.dts or 0) > start_s:
            break
    yield from group
    yield from packets


def _seek_works(source: Path, settings: ReadSettings, start_s: float) -> bool:
    """Whether seeking finds a key frame at or before ``start_s``.

    With a damaged index, a raw stream or few key frames, a seek may land too late.
    """
    with _opened(source, settings) as reader:
        if not reader.can_seek or start_s <= _SEEK_MARGIN_S:
            return False
        try:
            _seek(reader, start_s)
        except (av.FFmpegError, OSError):
            return False
        first = next((p for p in reader if p.is_keyframe), None)
        return first is not None and reader.seconds(first.pts or 0) <= start_s


def _seek(reader: PacketReader, start_s: float) -> None:
    start = reader.stream.start_time or 0
    ticks = round((start_s - _SEEK_MARGIN_S) / reader.time_base) + start
    reader.container.seek(ticks, stream=reader.stream)


def _until(
    packets: Iterator[VideoPacket], reader: PacketReader, end_s: float
) -> Iterator[VideoPacket]:
    """Yields packets up to ``end_s``, and the later ones that the last of them needs.

    A picture may be predicted from one that is shown later and decoded first; the clip then
    includes that one and all pictures shown before it.
    """
    key_pts: int | None = None
    last = end_s
    held: list[VideoPacket] = []
    for packet in packets:
        if reader.seconds(packet.dts or 0) > last:
            return
        pts = packet.pts or 0
        if key_pts is None:
            key_pts = pts
        elif pts < key_pts:
            continue  # a leading picture, predicted from one before the clip
        held.append(packet)
        if reader.seconds(pts) <= last:
            last = max(last, *(reader.seconds(p.pts or 0) for p in held))
            yield from held
            held = []


def _mux(
    output: OutputContainer, copied: VideoStream, packets: Iterator[VideoPacket]
) -> tuple[list[int], int]:
    """Writes packets with times counted from 0.

    Returns:
        The pictures' times in the source, and how many bytes they have.
    """
    times: list[int] = []
    size = 0
    for packet in packets:
        if packet.pts is None or packet.dts is None:
            continue
        times.append(packet.pts)
        size += packet.size
        packet.pts, packet.dts = packet.pts - times[0], packet.dts - times[0]
        packet.stream = copied
        output.mux_one(packet)
    return times, size


def _check(info: ClipInfo, size: int) -> None:
    """Reads the clip again: a muxer may hide the error of a full disk.

    Raises:
        OSError: The file is smaller than the pictures in it.
        ClipError: The file is whole, but has not all pictures: the source is damaged.
    """
    with info.path.open("rb") as file:
        os.fsync(file.fileno())
    try:
        with av.open(str(info.path)) as container:
            found = sum(1 for p in container.demux(container.streams.video[0]) if p.size)
        wrong = f"the clip holds {found} of {info.pictures} pictures"
    except av.FFmpegError as error:
        found, wrong = 0, f"the clip cannot be read back: {error}"
    if found == info.pictures:
        return
    if info.path.stat().st_size < size:
        raise OSError(errno.EIO, wrong)
    raise ClipError(f"{info.path.name}: no clip, {wrong}; the source is damaged")
