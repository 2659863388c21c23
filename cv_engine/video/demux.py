"""Reads a recording's compressed pictures in decoding order, past damaged stretches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.video.errors import Skip
from cv_engine.video.timeline import Timeline

if TYPE_CHECKING:
    from av.packet import Packet

# Consecutive read errors after which the rest of the file is given up. Each error moves FFmpeg
# ahead in the file, and a damaged stretch of a disk ends after fewer.
_READ_ERRORS = 200
# A recording that ends this much earlier than its header says was cut off: a length of the pictures
# is exact, that of the whole file may be its sound's.
_EARLY_S = 0.5
_EARLY_OF_FILE_S = 2.0
# Where pictures are rare, formats without exact lengths round by some of them.
_EARLY_PICTURES = 3
# Packets without a decoding time after which none is expected: more than any reordering takes.
_MOST_UNTIMED = 32


class Coded(NamedTuple):
    """One compressed picture.

    Attributes:
        packet: The packet, with repaired timestamps.
        media_s: Media time at which the picture is shown, seconds.
        key: Whether the picture can be decoded alone.
    """

    packet: Packet[VideoStream]
    media_s: float
    key: bool


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yields a stream's packets, past those of tracks that appear in mid-file.

    Raises:
        av.FFmpegError, OSError: A part of the file cannot be read; a new iteration goes past it.
    """
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:  # PyAV knows the tracks from the beginning of the file
            continue


class Length(NamedTuple):
    """How long a recording says it is.

    Attributes:
        seconds: The length.
        exact: Whether this is the length of the pictures, not of the whole file.
    """

    seconds: float
    exact: bool


class Demuxer:
    """Reads one pass over a recording's video packets.

    Args:
        container: The open recording.
        stream: The recording's video stream.
        timeline: Repairs the timestamps.
        length: Length stated by the recording, ``None`` if unknown.
        skipped: List for stretches of the file that cannot be read.

    Attributes:
        skipped: The list passed in, or a new one.
        timeline: The time line passed in.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        timeline: Timeline,
        length: Length | None,
        skipped: list[Skip] | None = None,
    ) -> None:
        self._container = container
        self._stream = stream
        self._length = length
        self.timeline = timeline
        self._tick_s = float(timeline.time_base)
        self._latest_s = 0.0
        self._shown = 0
        self._empty_until_s = 0.0
        self._pictures = 0
        self._untimed: list[Packet[VideoStream]] = []
        self.skipped: list[Skip] = [] if skipped is None else skipped

    def __iter__(self) -> Iterator[Coded]:
        errors = 0
        broken: tuple[float, str] | None = None
        ready: Sequence[Packet[VideoStream]]
        while True:
            try:
                for packet in packets_of(self._container, self._stream):
                    if packet.size == 0:
                        self._note_empty(packet)
                        continue
                    if packet.dts is None or self._untimed:
                        ready = self._with_decoding_time(packet)
                    else:
                        ready = (packet,)  # nearly always
                    for each in ready:
                        coded = self._coded(each)
                        if broken is not None:
                            self.skipped.append(Skip(broken[0], coded.media_s, broken[1]))
                            broken = None
                        errors = 0
                        yield coded
                break
            except (av.FFmpegError, OSError) as error:
                errors += 1
                broken = broken or (self._latest_s, f"file not readable ({error.strerror})")
                if errors >= _READ_ERRORS:
                    break
        for each in self._released(None):
            yield self._coded(each)
        self._end(broken)

    def _coded(self, packet: Packet[VideoStream]) -> Coded:
        media_s = max(0.0, self.timeline.place(packet))
        self._pictures += 1
        if media_s >= self._latest_s:
            self._latest_s = media_s
            self._shown = packet.duration or 0
        return Coded(packet, media_s, packet.is_keyframe)

    @property
    def end_s(self) -> float:
        """Media time up to which the pictures read so far are shown, seconds."""
        shown_s = float(self._shown * self.timeline.time_base)
        return max(self._latest_s + shown_s, self._empty_until_s) if self._pictures else 0.0

    def _note_empty(self, packet: Packet[VideoStream]) -> None:
        """Notes a placeholder, which AVI has for a picture that equals the one before."""
        if packet.dts is not None and not self.timeline.is_shifted:
            self._empty_until_s = self.timeline.seconds(packet.dts + (packet.duration or 0))

    def _with_decoding_time(self, packet: Packet[VideoStream]) -> Sequence[Packet[VideoStream]]:
        """The packets that can be timed now.

        Matroska stores no decoding times. FFmpeg derives them from the presentation times, but not
        for the first packets of a stream with B-frames. Their presentation times go up and down,
        which is no clock, so they wait for the first decoding time.
        """
        if packet.dts is None and packet.pts is not None and not self.timeline.counts:
            self._untimed.append(packet)
            return self._released(None) if len(self._untimed) >= _MOST_UNTIMED else []
        return [*self._released(packet.dts), packet]

    def _released(self, until: int | None) -> list[Packet[VideoStream]]:
        """The packets that wait, with decoding times that end just before ``until``."""
        waiting, self._untimed = self._untimed, []
        if until is not None:
            for left, packet in zip(range(len(waiting), 0, -1), waiting, strict=True):
                packet.dts = until - left * self.timeline.step
        return waiting

    def _end(self, broken: tuple[float, str] | None) -> None:
        """Records the stretch that is missing at the end."""
        last_s = self._latest_s
        length = None if self.timeline.is_shifted else self._length
        until_s = max(length.seconds if length else 0.0, last_s)
        if broken is not None:
            self.skipped.append(Skip(broken[0], until_s, broken[1]))
        elif length is not None and length.seconds - self.end_s > self._tolerated_s(length):
            reason = "the file ends before the length that its header states (cut off?)"
            self.skipped.append(Skip(last_s, until_s, reason))

    def _tolerated_s(self, length: Length) -> float:
        """How much earlier than stated a sound recording may end."""
        if length.exact:
            return _EARLY_S
        spacing_s = self._latest_s / max(1, self._pictures - 1)
        return max(_EARLY_OF_FILE_S, _EARLY_PICTURES * spacing_s)
