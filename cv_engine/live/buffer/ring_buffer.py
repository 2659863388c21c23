"""The last seconds of a stream as encoded frames, and the clips of them kept for cases."""

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

from cv_engine.files import atomic_file
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.video.clock import Clock

_SUFFIX = ".mkv"
_NAME = re.compile(r"(?P<tag>[0-9a-f]{16})@(?P<first>\d+\.\d+)\+(?P<length>\d+\.\d+)\.mkv")
_MATROSKA_TICKS = Fraction(1, 1000)


class _TimedFrame(NamedTuple):
    steady_s: float
    encoded: EncodedFrame


class RingBuffer:
    """A ring buffer of one camera's encoded frames, bounded in time and in bytes.

    Clips of it are kept on disk, as files that any player plays, for as long as the stay that they
    show may become a case: by then the start of the stay has long been evicted from the ring.

    Args:
        folder: Folder of the clips; created on first use.
        longest_s: Seconds that the ring holds at most.
        most_bytes: Bytes that the ring holds at most.
    """

    def __init__(self, folder: Path, longest_s: float, most_bytes: int) -> None:
        self._folder = folder
        self._longest_s = longest_s
        self._most_bytes = most_bytes
        self._ring: deque[_TimedFrame] = deque()
        self._bytes = 0
        self._lock = Lock()
        self._written: tuple[Path, tuple[float, float]] | None = None

    @property
    def bytes(self) -> int:
        """Size of the frames in the ring."""
        return self._bytes

    def add(self, steady_s: float, encoded: EncodedFrame) -> None:
        """Adds the next frame; the oldest frames are evicted."""
        with self._lock:
            self._ring.append(_TimedFrame(steady_s, encoded))
            self._bytes += encoded.packet.size
            while self._ring and (
                self._bytes > self._most_bytes
                or steady_s - self._ring[0].steady_s > self._longest_s
            ):
                self._bytes -= self._ring.popleft().encoded.packet.size

    def reaches(self, steady_s: float) -> bool:
        """Whether a clip from this time on can still be kept."""
        with self._lock:
            return bool(_from(list(self._ring), steady_s, exactly=True))

    def keep(self, tag: str, from_s: float) -> bool:
        """Writes a clip of the ring to disk, from the key frame before ``from_s`` to the end.

        Args:
            tag: What the clip is kept for.
            from_s: Steady time of the start, seconds; where those frames have been evicted, the
                clip begins with the first key frame left.

        Returns:
            Whether there was anything to keep.

        Raises:
            OSError: The clip cannot be written.
        """
        with self._lock:
            clip = _from(list(self._ring), from_s)
        if not clip:
            return False
        first_s = clip[0].steady_s
        length_s = max(0.001, clip[-1].steady_s - first_s)
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{_digest(tag)}@{first_s:.3f}+{length_s:.3f}{_SUFFIX}"
        # Many stays may begin at once, as when the program starts: their clips are the same.
        ends = (first_s, clip[-1].steady_s)
        if not self._linked(target, ends):
            _store(target, [kept.encoded for kept in clip])
            self._written = (target, ends)
        return True

    def _linked(self, target: Path, ends: tuple[float, float]) -> bool:
        """Whether the clip written last is the same one, and is now linked to this path, too."""
        if self._written is None or self._written[1] != ends:
            return False
        try:
            target.hardlink_to(self._written[0])
        except OSError:
            return False  # the clip is gone, or the file system has no links
        return True

    def footage(self, tag: str, clock: CaptureClock) -> Footage:
        """The clips of a tag, as recordings in order of time; there may be none."""
        footage = Footage(stream=True)
        for first_s, length_s, path in sorted(self._kept(tag)):
            began = Clock(clock.utc(first_s))
            footage.add(Recording(path, began, f"{clock.basis} of the stream", seen_s=length_s))
        return footage

    def keeps(self, tag: str) -> bool:
        """Whether there is a clip of a tag."""
        return bool(self._kept(tag))

    def release(self, tag: str) -> None:
        """Deletes the clips of a tag."""
        for _, _, path in self._kept(tag):
            path.unlink(missing_ok=True)

    def release_all_but(self, tags: Sequence[str]) -> None:
        """Deletes the clips of all other tags, and what a killed run left half-written."""
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


def _from(
    ring: Sequence[_TimedFrame], from_s: float, *, exactly: bool = False
) -> list[_TimedFrame]:
    """The frames from the last key frame at or before a time, all of one connection.

    Args:
        ring: All frames of the ring.
        from_s: Steady time, seconds.
        exactly: Whether to return nothing, rather than a later start, where ``from_s`` is gone.
    """
    start: int | None = None
    for index, kept in enumerate(ring):
        if start is not None and kept.encoded.format is not ring[start].encoded.format:
            start = None  # another connection: its frames do not continue those of the old one
        if kept.encoded.key and (start is None or kept.steady_s <= from_s):
            start = index
    if start is None or (exactly and ring[start].steady_s > from_s):
        return []
    return list(ring[start:])


def _store(path: Path, frames: Sequence[EncodedFrame]) -> None:
    """Writes encoded frames to a file unchanged, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    try:
        with atomic_file(path, keep_suffix=True) as partial:
            _write(partial, frames)
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise OSError(errno.EIO, f"the stream cannot be stored: {error}") from error


def _write(path: Path, frames: Sequence[EncodedFrame]) -> None:
    form = frames[0].format
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_mux_stream(form.codec, width=form.width, height=form.height)
        stream.time_base = _MATROSKA_TICKS
        for number, (encoded, times) in enumerate(zip(frames, _times(frames), strict=True)):
            packet = _copied(encoded, first=not number)
            packet.pts, packet.dts = times
            packet.stream = cast(VideoStream, stream)
            out.mux(packet)


def _times(frames: Sequence[EncodedFrame]) -> list[tuple[int, int]]:
    """Presentation and decoding time of each frame, ticks from the first one's decoding.

    A stream has no decoding times. Where frames are not sent in presentation order, the times that
    are guessed at its start run backwards, which no file allows.
    """
    given = [encoded.packet.pts for encoded in frames]
    shown = [
        a.packet.dts or 0 if pts is None else pts for a, pts in zip(frames, given, strict=True)
    ]
    if given[0] is None:
        # The first frame of a connection may have no time: a key frame, shown before the others.
        shown[0] = min(shown[0], min(shown[1:], default=0) - 1)
    decoded = sorted(shown)
    # No frame is decoded later than it is shown.
    behind = max(late - time for late, time in zip(decoded, shown, strict=True))
    zero = decoded[0] - behind
    return [(p - zero, d - behind - zero) for p, d in zip(shown, decoded, strict=True)]


def _copied(encoded: EncodedFrame, *, first: bool) -> Packet[VideoStream]:
    """A copy for the file, without times: the packets in the ring stay unchanged."""
    given, form = encoded.packet, encoded.format
    data = bytes(given)
    if first and form.header and not data.startswith(form.header):
        data = form.header + data  # decoders need the parameter sets, and files carry them
    packet = cast("Packet[VideoStream]", Packet(data))
    packet.time_base = form.time_base
    packet.is_keyframe = encoded.key
    return packet
