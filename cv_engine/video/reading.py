"""Reads the pictures shown at given times: seeks the key frame before and decodes from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.video.container import ReadSettings, opened
from cv_engine.video.decoder import Decoder
from cv_engine.video.decoding import Decoded, Group, Log, TooStrictError
from cv_engine.video.demux import Coded, Demuxer, Length
from cv_engine.video.errors import VideoError
from cv_engine.video.timeline import Timeline

# Up to this distance, reading ahead is cheaper than seeking: unwanted packets are skipped without
# decoding, at some microseconds each.
_SEEK_AHEAD_S = 10.0
# How far before the wanted time to seek, in turn, while a seek lands too late: formats without an
# index estimate the position, and MP4 seeks by decoding time.
_SEEK_MARGINS_S = (0.0, 1.0, 15.0, 120.0)
# A picture that begins at most this much after the wanted time counts as shown then: times in
# files are rounded to milliseconds.
_ROUNDING_S = 1e-3
# Packets kept of a group that may not be wanted: about a minute.
_LONGEST_GROUP = 1500


@dataclass(slots=True)
class Reader:
    """Reads pictures by time.

    Attributes:
        path: The recording.
        settings: What the user states about the recording.
        threads: Slice threads of the decoder.
        seekable: Whether timestamps are reliable for seeking; otherwise packets are read from the
            start, and only the wanted groups of pictures are decoded.
        length: Length that the recording states, ``None`` if unknown.
    """

    path: Path
    settings: ReadSettings
    threads: int
    seekable: bool
    length: Length | None
    _target_s: float = 0.0

    def read(self, times_s: Sequence[float]) -> Iterator[Decoded]:
        """Yields one picture for each time, in ascending order of time.

        Raises:
            VideoError: No picture can be decoded.
        """
        wanted = sorted(max(0.0, time_s) for time_s in times_s)
        done = 0
        for strict in (True, False):
            try:
                for decoded in self._read(wanted[done:], strict=strict):
                    done += 1
                    yield decoded
                return
            except TooStrictError:
                continue
        raise VideoError(f"{self.path}: no picture can be decoded; is the file damaged?")

    def _read(self, wanted: Sequence[float], *, strict: bool) -> Iterator[Decoded]:
        if not wanted:
            return
        with opened(self.path, self.settings) as (container, stream):
            decoder = Decoder(stream.codec_context, threads=self.threads, strict=strict)
            self._target_s = wanted[0]
            pictures = self._pictures_near(container, stream, decoder, wanted[0])
            shown: Decoded | None = None
            following: Decoded | None = None
            for self._target_s in wanted:
                far = following is not None and (
                    self._target_s - following.media_s > _SEEK_AHEAD_S and self.seekable
                )
                if far:
                    pictures = self._pictures_near(container, stream, decoder, self._target_s)
                    following = None
                while following is None or following.media_s <= self._target_s + _ROUNDING_S:
                    shown = following or shown
                    following = next(pictures, None)
                    if following is None:
                        break
                picture = shown or following
                if picture is None:
                    raise TooStrictError
                yield picture

    def _pictures_near(
        self, container: InputContainer, stream: VideoStream, decoder: Decoder, time_s: float
    ) -> Iterator[Decoded]:
        """Pictures in display order, starting with one that is shown at or before ``time_s``."""
        for margin_s in _SEEK_MARGINS_S if self.seekable and time_s > _SEEK_AHEAD_S else ():
            timeline = Timeline.of(stream, self.settings.stated_rate())
            try:
                container.seek(timeline.ticks(max(0.0, time_s - margin_s)), stream=stream)
            except av.FFmpegError:
                break
            decoder.restart()
            packets = iter(Demuxer(container, stream, timeline, None))
            first = next((coded for coded in packets if coded.key), None)
            # After a recovery point, pictures are whole only some pictures later.
            ahead = 0 if first is None else decoder.recovery(first.packet) or 0
            ahead_s = ahead * float(timeline.step * timeline.time_base)
            if first is not None and first.media_s + ahead_s <= time_s + _ROUNDING_S:
                return self._decoded(_chain(first, packets), timeline, decoder)
        return self._from_start(decoder)

    def _from_start(self, decoder: Decoder) -> Iterator[Decoded]:
        with opened(self.path, self.settings) as (container, stream):
            decoder.restart()
            timeline = Timeline.of(stream, self.settings.stated_rate())
            packets = Demuxer(container, stream, timeline, self.length)
            yield from self._decoded(iter(packets), timeline, decoder)

    def _decoded(
        self, packets: Iterator[Coded], timeline: Timeline, decoder: Decoder
    ) -> Iterator[Decoded]:
        """Decodes from the last key frame before the present target time."""
        group = Group(decoder, timeline, Log(strict=False))
        held: list[Coded] = []
        decoding = False
        for coded in packets:
            may_begin = coded.key and coded.media_s <= self._target_s
            if may_begin and decoder.recovery(coded.packet) == 0:
                if decoding:
                    yield from group.finish()
                held, decoding = [coded], False
                continue
            if not decoding:
                held.append(coded)
                decoding = coded.key or len(held) >= _LONGEST_GROUP or self._passed(coded)
                if not decoding:
                    continue
                for earlier in held:
                    yield from group.feed(earlier)
                held = []
            else:
                yield from group.feed(coded)
        for earlier in held:
            yield from group.feed(earlier)
        yield from group.finish()

    def _passed(self, coded: Coded) -> bool:
        return coded.media_s > self._target_s


def _chain(first: Coded, rest: Iterator[Coded]) -> Iterator[Coded]:
    yield first
    yield from rest
