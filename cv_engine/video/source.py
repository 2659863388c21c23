"""Recorded video files: their properties, and their pictures by plan or by time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

import av
import structlog
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cv_engine.video.container import AS_STATED, ReadSettings, explained, is_recovered, opened
from cv_engine.video.decoder import Decoder
from cv_engine.video.decoding import Decoded, Log, Pass, TooStrictError
from cv_engine.video.demux import Demuxer, Length
from cv_engine.video.errors import Repair, Skip, VideoError
from cv_engine.video.frame import Sample, Scaler, Turn
from cv_engine.video.paths import expand
from cv_engine.video.picture_shape import deinterlaced, square_size
from cv_engine.video.rate import Rate, has_clock, rate_of
from cv_engine.video.reading import Reader
from cv_engine.video.sampler import Plan, Survey
from cv_engine.video.timeline import Timeline, is_untimed

__all__ = ["Repair", "Skip", "Video", "VideoError", "expand", "open_video"]

# Containers whose timestamps rise by construction, or are read in order through an index.
_ORDERED_FORMATS = ("mov", "matroska", "avi")
# How much of a recording without an index is surveyed for its key-frame spacing.
_SURVEY_S = 30.0
# Packets after which a survey ends regardless of their times.
_SURVEY_PACKETS = 20_000
# Containers whose index lists every picture of the file, not only points for seeking.
_FULL_INDEX = ("mov", "avi")
# Share of the length that a complete index must cover.
_INDEX_COVERS = 0.95
# Creation times up to this year come from clocks that were never set.
_CLOCK_NOT_SET_YEAR = 1970
# Pictures that may be damaged before the first readable one is found, at opening.
_FIRST_PICTURE_PACKETS = 1500


@dataclass(slots=True)
class Video:
    """One recording.

    Attributes:
        path: The file.
        width: Width of the upright picture in square pixels.
        height: Height of the upright picture in square pixels.
        codec: FFmpeg's name of the codec, such as ``"h264"``.
        container_format: FFmpeg's name of the container, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        rate: Pictures per second, and what they are based on.
        length: Length that the file states, ``None`` if it states none.
        creation_time: Creation time stated by the file, UTC; ``None`` if there is none.
        turn: The rotation that turns stored pictures upright.
        settings: What the user states about the recording.
        recovered: Whether the pictures had to be found in a file that has lost its index.
        threads: Slice threads of the decoder.
        skipped: Stretches that the last ``samples`` could not read.
        end_s: Media time up to which the last ``samples`` read pictures, seconds.
    """

    path: Path
    width: int
    height: int
    codec: str
    container_format: str
    rate: Rate
    length: Length | None
    creation_time: datetime | None
    turn: Turn
    settings: ReadSettings = AS_STATED
    recovered: bool = False
    threads: int = 1
    skipped: list[Skip] = field(default_factory=list)
    end_s: float = 0.0
    _timeline: Timeline | None = None
    _survey: Survey | None = None
    _scaler: Scaler = field(default_factory=Scaler)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def duration_s(self) -> float | None:
        """Length in seconds, ``None`` if the file does not state it."""
        return None if self.length is None else self.length.seconds

    @property
    def repairs(self) -> list[Repair]:
        """Repairs made so far by the last ``samples``."""
        return self._timeline.repairs if self._timeline else []

    @property
    def key_frame_spacing_s(self) -> float | None:
        """The longest time between key frames in the surveyed part, seconds."""
        return self.survey().spacing_s

    def survey(self) -> Survey:
        """Finds the key frames from the index, or from the packets of the first 30 seconds.

        Raises:
            VideoError: The file can no longer be read.
        """
        if self._survey is None:
            with explained(self.path), opened(self.path, self.settings) as (container, stream):
                self._survey = _surveyed(container, stream, self)
        return self._survey

    def samples(self, plan: Plan, *, deblock: bool = True) -> Iterator[Sample]:
        """Yields the pictures that a plan selects, in order of media time.

        During and after the iteration, :attr:`skipped` lists the unreadable stretches and
        :attr:`repairs` the repairs.

        Args:
            plan: See :func:`cv_engine.video.sampler.choose`.
            deblock: Whether key frames that are decoded alone are smoothed at block edges, so
                that they equal those of a full decode to the bit. Without smoothing, they cost a
                tenth less and some grey levels differ by one, which shifts borderline findings.

        Raises:
            VideoError: The file can no longer be read, or has no readable picture.
        """
        with explained(self.path):
            yield from self._samples(plan, deblock=deblock)
        self._log()

    def _samples(self, plan: Plan, *, deblock: bool) -> Iterator[Sample]:
        last_s = -1.0
        for strict in (True, False):
            try:
                for decoded in self._decoded(plan, strict=strict, deblock=deblock):
                    if decoded.media_s > last_s:
                        last_s = decoded.media_s
                        yield self._sample(decoded)
                break
            except TooStrictError:
                continue
        if last_s < 0:
            raise VideoError(f"{self.path}: no picture can be decoded; is the file damaged?")

    def read(self, times_s: Sequence[float]) -> Iterator[Sample]:
        """Yields the pictures shown at given times, fully decoded and deblocked.

        Args:
            times_s: Media times in seconds, in any order. A time before the first picture gives
                the first, a time after the last gives the last; in a damaged stretch, the last
                readable picture before (or the first after) is returned.

        Yields:
            One picture for each time, **in ascending order of time**.

        Raises:
            VideoError: The file can no longer be read, or has no readable picture.
        """
        seekable = self._seekable(max(times_s, default=0.0))
        reader = Reader(self.path, self.settings, self.threads, seekable, self.length)
        with explained(self.path):
            for decoded in reader.read(times_s):
                yield self._sample(decoded)

    def _seekable(self, until_s: float) -> bool:
        """Whether timestamps up to ``until_s`` are known to run without breaks."""
        if self.repairs or (self._timeline is not None and self._timeline.counts):
            return False
        if any(name in self.container_format for name in _ORDERED_FORMATS):
            return True
        return self._timeline is not None and self._timeline.last_s >= until_s

    def _decoded(self, plan: Plan, *, strict: bool, deblock: bool) -> Iterator[Decoded]:
        keyless = not self.survey().key_times
        with opened(self.path, self.settings) as (container, stream):
            timeline = self._timeline = Timeline.of(stream, self.settings.stated_rate())
            self.skipped = []
            packets = Demuxer(container, stream, timeline, self.length, self.skipped)
            decoder = Decoder(
                stream.codec_context,
                threads=self.threads,
                strict=strict,
                deblock=deblock or plan.decode != "key",
                skip_unreferenced=plan.decode == "nonref" and not _is_counted(stream),
            )
            whole = partial(self._whole_decoder, strict=strict)
            log = Log(strict, self.skipped)
            try:
                yield from Pass(packets, timeline, plan, decoder, whole, log, keyless)
            finally:
                self.end_s = packets.end_s

    def _whole_decoder(self, *, strict: bool) -> Decoder:
        """A second decoder, with deblocking, for groups of pictures between key frames."""
        with opened(self.path, self.settings) as (_, stream):
            return Decoder(stream.codec_context, threads=self.threads, strict=strict)

    def _sample(self, decoded: Decoded) -> Sample:
        stored = self.turn.size(self.width, self.height)
        frame = deinterlaced(decoded.frame)
        return Sample(decoded.media_s, decoded.key, frame, self.turn, stored, self._scaler)

    def _log(self) -> None:
        log = structlog.get_logger(__name__)
        per_second = round(float(self.rate.per_second), 3)
        log.info("picture rate", video=self.name, per_second=per_second, basis=self.rate.basis)
        for skip in self.skipped:
            log.warning("not sampled", video=self.name, stretch=str(skip))
        for repair in self.repairs:
            log.info("timestamps repaired", video=self.name, repair=str(repair))


def open_video(path: str | Path, settings: ReadSettings = AS_STATED, *, threads: int = 1) -> Video:
    """Opens a recording and reads its properties.

    Args:
        path: The file: any container and codec that FFmpeg reads.
        settings: What the user states about the recording.
        threads: Slice threads of the decoder.

    Raises:
        VideoError: The file is missing, empty, unreadable, not a recording, or without pictures,
            or none of the first thousand pictures can be decoded.
    """
    path = Path(path)
    with explained(path), opened(path, settings) as (container, stream):
        context = stream.codec_context
        video = Video(
            path=path,
            width=context.width,
            height=context.height,
            codec=context.name,
            container_format=container.format.name,
            rate=rate_of(stream, settings.stated_rate()),
            length=_length(container, stream),
            creation_time=_creation_time(container, stream),
            turn=Turn(),
            settings=settings,
            recovered=is_recovered(container),
            threads=threads,
        )
        frame = _first_picture(container, stream)
        pixel_shape = stream.sample_aspect_ratio
    if frame is None:
        raise VideoError(f"{path}: no picture can be decoded; is the file damaged?")
    video.turn = Turn.of(frame)
    stored = square_size(frame.width, frame.height, pixel_shape)
    video.width, video.height = video.turn.size(*stored)
    return video


def _first_picture(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """Decodes up to the first picture: only a decoded picture has reliable size and rotation."""
    decoder = Decoder(stream.codec_context, strict=False)
    packets = Demuxer(container, stream, Timeline.of(stream), None)
    for coded in islice(packets, _FIRST_PICTURE_PACKETS):
        try:
            frames = decoder.decode(coded.packet)
        except av.FFmpegError:
            continue
        if frames:
            return frames[0]
    try:
        return next(iter(decoder.decode(None)), None)
    except av.FFmpegError:
        return None


def _length(container: InputContainer, stream: VideoStream) -> Length | None:
    """The length that the file states; of an AVI by the number of pictures in its header.

    Of a cut AVI, FFmpeg gives the length of what is left.
    """
    stated_s = 0.0
    if stream.duration and stream.time_base:
        stated_s = float(stream.duration * stream.time_base)
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        stated_s = max(stated_s, float(stream.frames / stream.average_rate))
    if stated_s > 0:
        indexed = any(name in container.format.name for name in _FULL_INDEX)
        return Length(stated_s, exact=indexed)
    if container.duration and container.duration > 0:
        return Length(container.duration / av.time_base, exact=False)
    return None


def _creation_time(container: InputContainer, stream: VideoStream) -> datetime | None:
    for metadata in (stream.metadata, container.metadata):
        text = metadata.get("creation_time", "")
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            continue
        # Cameras whose clock is not set write the zero of their calendar: 1904 in MP4, or 1970.
        if time.year > _CLOCK_NOT_SET_YEAR:
            return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    return None


def _surveyed(container: InputContainer, stream: VideoStream, video: Video) -> Survey:
    indexed = _from_index(container, stream, video.duration_s)
    if indexed is not None:
        return indexed
    timeline = Timeline.of(stream, video.settings.stated_rate())
    keys: list[float] = []
    latest_s, packets, reordered = 0.0, 0, False
    ended = True
    for coded in islice(Demuxer(container, stream, timeline, None), _SURVEY_PACKETS):
        packets += 1
        reordered = reordered or coded.media_s < latest_s
        latest_s = max(latest_s, coded.media_s)
        if coded.key:
            keys.append(coded.media_s)
        if latest_s >= _SURVEY_S:
            ended = False
            break
    return Survey(tuple(keys), latest_s, ended, packets, reordered)


def _is_counted(stream: VideoStream) -> bool:
    """Whether pictures are timed by counting, so that none may be skipped."""
    return is_untimed(stream) or not has_clock(stream)


def _from_index(
    container: InputContainer, stream: VideoStream, duration_s: float | None
) -> Survey | None:
    """The survey from a container's index, ``None`` unless the index lists every picture."""
    entries = stream.index_entries
    if not any(name in container.format.name for name in _FULL_INDEX) or not len(entries):
        return None
    timeline = Timeline.of(stream)
    keys = tuple(max(0.0, timeline.seconds(e.timestamp)) for e in entries if e.is_keyframe)
    until_s = timeline.seconds(entries[len(entries) - 1].timestamp)
    if not keys or until_s < _INDEX_COVERS * (duration_s or 0.0):
        return None  # fragmented: the index grows as the file is read
    # Without presentation times pictures are timed by counting, and none may be skipped.
    reordered = stream.codec_context.has_b_frames and not _is_counted(stream)
    return Survey(keys, until_s, True, len(entries), reordered)
