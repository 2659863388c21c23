"""Reads a recording's compressed pictures in decoding order, past damaged stretches."""

from __future__ import annotations

from collections.abc import Iterator
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
# A recording that ends this much earlier than its header says was cut off.
_EARLY_S = 2.0


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


class Demuxer:
    """Reads one pass over a recording's video packets.

    Args:
        container: The open recording.
        stream: The recording's video stream.
        timeline: Repairs the timestamps.
        duration_s: Length stated by the recording, ``None`` if unknown.
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
        duration_s: float | None,
        skipped: list[Skip] | None = None,
    ) -> None:
        self._container = container
        self._stream = stream
        self._duration_s = duration_s
        self.timeline = timeline
        self._latest_s = 0.0
        self.skipped: list[Skip] = [] if skipped is None else skipped

    def __iter__(self) -> Iterator[Coded]:
        errors = 0
        broken: tuple[float, str] | None = None
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size == 0:
                        continue
                    media_s = max(0.0, self.timeline.place(packet))
                    if broken is not None:
                        self.skipped.append(Skip(broken[0], media_s, broken[1]))
                        broken = None
                    errors = 0
                    self._latest_s = max(self._latest_s, media_s)
                    yield Coded(packet, media_s, packet.is_keyframe)
                break
            except (av.FFmpegError, OSError) as error:
                errors += 1
                broken = broken or (self._latest_s, f"file not readable ({error.strerror})")
                if errors >= _READ_ERRORS:
                    break
        self._end(broken)

    def _end(self, broken: tuple[float, str] | None) -> None:
        """Records the stretch that is missing at the end."""
        last_s = self._latest_s
        stated_s = None if self.timeline.is_shifted else self._duration_s
        until_s = max(stated_s or 0.0, last_s)
        if broken is not None:
            self.skipped.append(Skip(broken[0], until_s, broken[1]))
        elif until_s - last_s > _EARLY_S:
            reason = "the file ends before the length that its header states (cut off?)"
            self.skipped.append(Skip(last_s, until_s, reason))
