"""One camera's recordings in order of time, with their clocks and pictures."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import structlog

from cv_engine.video.clock import Clock
from cv_engine.video.container import AS_STATED, ReadSettings
from cv_engine.video.errors import VideoError
from cv_engine.video.frame import Sample
from cv_engine.video.source import Video, open_video

_HASH_BLOCK = 1 << 20


@dataclass
class Recording:
    """One video file on the clock.

    Attributes:
        path: The file.
        clock: From media time to UTC.
        clock_basis: In words, what the clock is based on.
        key: Digest of the file together with the settings of its analysis.
        seen_s: Media time of the latest sample, seconds.
        settings: What the user states about the recording.
    """

    path: Path
    clock: Clock
    clock_basis: str
    key: str = ""
    seen_s: float = 0.0
    settings: ReadSettings = AS_STATED
    _video: Video | None = None

    @classmethod
    def of(cls, video: Video, clock: Clock, clock_basis: str) -> Recording:
        """The recording of an open file."""
        return cls(video.path, clock, clock_basis, settings=video.settings, _video=video)

    @property
    def video(self) -> Video:
        """The open file, opened again where it was released.

        Raises:
            VideoError: The file is gone or cannot be read.
        """
        if self._video is None:
            self._video = open_video(self.path, self.settings)
        return self._video

    def release(self) -> None:
        """Closes the file: a camera may have thousands, and each holds scalers and lists."""
        self._video = None

    @property
    def began(self) -> datetime:
        """Time of the recording's beginning, UTC."""
        return self.clock.at(0.0)

    @property
    def ended(self) -> datetime:
        """Time of the latest sample, UTC."""
        return self.clock.at(self.seen_s)

    @property
    def length_s(self) -> float:
        """Length in media seconds: the file's own, where that agrees with the samples."""
        video = self.video
        seen = max(self.seen_s + float(1 / video.rate.per_second), video.end_s)
        if video.duration_s is None or video.duration_s < seen or video.repairs:
            return seen
        return video.duration_s

    @cached_property
    def sha256(self) -> str:
        """Digest of the whole file, hex; computed once, and only where evidence names it."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the file's size, beginning and end, hex: quick, and enough to recognise it."""
        size = self.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with self.path.open("rb") as file:
            digest.update(file.read(_HASH_BLOCK))
            file.seek(max(0, size - _HASH_BLOCK))
            digest.update(file.read(_HASH_BLOCK))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of a moment.

    Attributes:
        wanted: The moment that was asked for.
        taken: When the picture was really taken.
        sample: The picture.
    """

    wanted: datetime
    taken: datetime
    sample: Sample


@dataclass(slots=True)
class Footage:
    """The recordings of one camera sampled so far.

    Attributes:
        recordings: The recordings, in order of time, the present one last.
        stream: Whether these are parts of a live stream, kept for a case and then discarded.
    """

    recordings: list[Recording] = field(default_factory=list)
    stream: bool = False

    def add(self, recording: Recording) -> None:
        """Adds the next recording, and closes the file of the one before."""
        if self.recordings:
            self.recordings[-1].release()
        self.recordings.append(recording)

    def stills(self, times: Sequence[datetime]) -> Iterator[Shot]:
        """The pictures shown at given times, one for each different time, in order of time.

        A time before the first recording or in a gap gets the nearest picture. Earlier recordings
        that are gone are left out, with a warning.

        Raises:
            VideoError: The present recording cannot be read.
        """
        wanted: dict[int, list[datetime]] = {}
        for time in sorted(set(times)):
            wanted.setdefault(self._index_at(time), []).append(time)
        for index in sorted(wanted):
            recording = self.recordings[index]
            present = index == len(self.recordings) - 1
            try:
                yield from _shots(recording, wanted[index])
            except VideoError as error:
                if present:
                    raise
                structlog.get_logger(__name__).warning(
                    "no stills of a recording", reason=str(error)
                )
            finally:
                if not present:
                    recording.release()

    def at(self, time: datetime) -> Recording:
        """The recording that shows a time, or the nearest one."""
        return self.recordings[self._index_at(time)]

    def _index_at(self, time: datetime) -> int:
        index = bisect_right(self.recordings, time, key=lambda recording: recording.began) - 1
        if index < 0:
            return 0
        if index + 1 < len(self.recordings):
            after = self.recordings[index + 1].began - time
            if timedelta(0) < after < time - self.recordings[index].ended:
                return index + 1
        return index


def _shots(recording: Recording, moments: Sequence[datetime]) -> Iterator[Shot]:
    media = [max(0.0, recording.clock.media_s(moment)) for moment in moments]
    for moment, sample in zip(moments, recording.video.read(media), strict=True):
        yield Shot(moment, recording.clock.at(sample.media_s), sample)
