"""The last seconds of a stream, compressed as they came, and what is kept of them for cases."""

from __future__ import annotations

import errno
import hashlib
import re
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import NamedTuple, cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.video.clock import Clock

_SUFFIX = ".mkv"
_NAME = re.compile(r"(?P<tag>[0-9a-f]{16})@(?P<first>\d+\.\d+)\+(?P<length>\d+\.\d+)\.mkv")
_MATROSKA_TICKS = Fraction(1, 1000)
# A half-written file, of a run that was killed.
_PART = ".part.mkv"


class _Kept(NamedTuple):
    steady_s: float
    encoded: EncodedFrame


class RingBuffer:
    """The ring of one camera's compressed pictures, bounded in time and in bytes.

    Stretches of it are kept on disk, as files that any player takes, for as long as a stay that
    they show may become a case: its beginning is long gone from the ring by then.

    Args:
        folder: Of the kept stretches; made where it is needed.
        longest_s: Seconds that the ring holds.
        most_bytes: Bytes that it never exceeds.
    """

    def __init__(self, folder: Path, longest_s: float, most_bytes: int) -> None:
        self._folder = folder
        self._longest_s = longest_s
        self._most_bytes = most_bytes
        self._ring: deque[_Kept] = deque()
        self._bytes = 0
        self._lock = Lock()
        self._written: tuple[Path, tuple[float, float]] | None = None

    @property
    def bytes(self) -> int:
        """Size of what the ring holds."""
        return self._bytes

    def add(self, steady_s: float, encoded: EncodedFrame) -> None:
        """Takes in the next picture; the oldest make room."""
        with self._lock:
            self._ring.append(_Kept(steady_s, encoded))
            self._bytes += encoded.packet.size
            while self._ring and (
                self._bytes > self._most_bytes
                or steady_s - self._ring[0].steady_s > self._longest_s
            ):
                self._bytes -= self._ring.popleft().encoded.packet.size

    def reaches(self, steady_s: float) -> bool:
        """Whether what was seen at a time can still be kept."""
        with self._lock:
            return bool(_from(list(self._ring), steady_s, exactly=True))

    def keep(self, tag: str, from_s: float) -> bool:
        """Writes a stretch of the ring to disk, from the key frame before ``from_s``.

        Args:
            tag: What it is kept for.
            from_s: Steady time from which on; where that is gone, what is left of it is kept.

        Returns:
            Whether there was anything to keep.

        Raises:
            OSError: It cannot be written.
        """
        with self._lock:
            stretch = _from(list(self._ring), from_s)
        if not stretch:
            return False
        first_s = stretch[0].steady_s
        length_s = max(0.001, stretch[-1].steady_s - first_s)
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{_digest(tag)}@{first_s:.3f}+{length_s:.3f}{_SUFFIX}"
        # Many stays may begin at once, as when the program starts: they show the same.
        ends = (first_s, stretch[-1].steady_s)
        if not self._linked(target, ends):
            _store(target, [kept.encoded for kept in stretch])
            self._written = (target, ends)
        return True

    def _linked(self, target: Path, ends: tuple[float, float]) -> bool:
        """Whether the file that was written last holds the same, and is now this one, too."""
        if self._written is None or self._written[1] != ends:
            return False
        try:
            target.hardlink_to(self._written[0])
        except OSError:
            return False  # it is gone, or the disk knows no links
        return True

    def footage(self, tag: str, clock: CaptureClock) -> Footage:
        """What is kept under a tag, as recordings in order of time; it may be empty."""
        footage = Footage(stream=True)
        for first_s, length_s, path in sorted(self._kept(tag)):
            began = Clock(clock.utc(first_s))
            footage.add(Recording(path, began, f"{clock.basis} of the stream", seen_s=length_s))
        return footage

    def keeps(self, tag: str) -> bool:
        """Whether anything is kept under a tag."""
        return bool(self._kept(tag))

    def release(self, tag: str) -> None:
        """Throws away what is kept under a tag."""
        for _, _, path in self._kept(tag):
            path.unlink(missing_ok=True)

    def release_all_but(self, tags: Sequence[str]) -> None:
        """Throws away what is kept under any other tag, and what a killed run left half-written."""
        wanted = {_digest(tag) for tag in tags}
        for path in self._folder.glob(f"*{_SUFFIX}"):
            named = _NAME.fullmatch(path.name)
            if named is None or named["tag"] not in wanted:
                path.unlink(missing_ok=True)

    def _kept(self, tag: str) -> list[tuple[float, float, Path]]:
        kept = []
        for path in self._folder.glob(f"{_digest(tag)}@*{_SUFFIX}"):
            named = _NAME.fullmatch(path.name)
            if named is not None:
                kept.append((float(named["first"]), float(named["length"]), path))
        return kept


def _digest(tag: str) -> str:
    return hashlib.sha256(tag.encode()).hexdigest()[:16]


def _from(ring: Sequence[_Kept], from_s: float, *, exactly: bool = False) -> list[_Kept]:
    """What the ring holds from the last key frame at or before a time, of one connection.

    Args:
        ring: All of it.
        from_s: Steady seconds.
        exactly: Whether it is nothing where that time is gone; else it begins later then.
    """
    start: int | None = None
    for index, kept in enumerate(ring):
        if start is not None and kept.encoded.format is not ring[start].encoded.format:
            start = None  # another connection: its pictures cannot be joined to the old ones
        if kept.encoded.key and (start is None or kept.steady_s <= from_s):
            start = index
    if start is None or (exactly and ring[start].steady_s > from_s):
        return []
    return list(ring[start:])


def _store(path: Path, arrivals: Sequence[EncodedFrame]) -> None:
    """Writes compressed pictures to a file as they are, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    part = path.with_name(path.name + _PART)
    try:
        _write(part, arrivals)
        part.replace(path)
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise OSError(errno.EIO, f"the stream cannot be stored: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, arrivals: Sequence[EncodedFrame]) -> None:
    form = arrivals[0].format
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_mux_stream(form.codec, width=form.width, height=form.height)
        stream.time_base = _MATROSKA_TICKS
        for number, (encoded, times) in enumerate(zip(arrivals, _times(arrivals), strict=True)):
            packet = _copied(encoded, first=not number)
            packet.pts, packet.dts = times
            packet.stream = cast(VideoStream, stream)
            out.mux(packet)


def _times(arrivals: Sequence[EncodedFrame]) -> list[tuple[int, int]]:
    """When each picture is shown and when it is decoded, ticks from the first one's decoding.

    A stream does not tell when pictures are to be decoded. Where they are not sent in the order in
    which they are shown, what is guessed at its beginning falls back, which no file may.
    """
    given = [encoded.packet.pts for encoded in arrivals]
    shown = [
        a.packet.dts or 0 if pts is None else pts for a, pts in zip(arrivals, given, strict=True)
    ]
    if given[0] is None:
        # The first picture of a connection may have none; it is a key frame, and shown before the rest.
        shown[0] = min(shown[0], min(shown[1:], default=0) - 1)
    decoded = sorted(shown)
    # None is decoded later than it is shown.
    behind = max(late - time for late, time in zip(decoded, shown, strict=True))
    zero = decoded[0] - behind
    return [(p - zero, d - behind - zero) for p, d in zip(shown, decoded, strict=True)]


def _copied(encoded: EncodedFrame, *, first: bool) -> Packet[VideoStream]:
    """A copy for the file, without times: the ring's own packets stay as they are."""
    given, form = encoded.packet, encoded.format
    data = bytes(given)
    if first and form.header and not data.startswith(form.header):
        data = form.header + data  # decoders need the parameter sets, and files carry them
    packet = cast("Packet[VideoStream]", Packet(data))
    packet.time_base = form.time_base
    packet.is_keyframe = encoded.key
    return packet
