"""One camera's recordings in order of time: where on the clock they lie, and their pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cv_engine.video.clock import Clock
from cv_engine.video.frame import Look
from cv_engine.video.source import Video

_HASH_BLOCK = 1 << 20


@dataclass(slots=False)
class Recording:
    """One video file on the clock.

    Attributes:
        video: The file.
        clock: From its media time to UTC.
        clock_basis: In words, what the clock is based on.
        seen_s: How far it has been looked at, media seconds.
    """

    video: Video
    clock: Clock
    clock_basis: str
    seen_s: float = 0.0

    @property
    def began(self) -> datetime:
        """When it begins, UTC."""
        return self.clock.at(0.0)

    @cached_property
    def sha256(self) -> str:
        """Digest of the whole file, hex; read once, and only where evidence names it."""
        digest = hashlib.sha256()
        with self.video.path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the file's size, beginning and end, hex: enough to know it again, and quick."""
        size = self.video.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with self.video.path.open("rb") as file:
            digest.update(file.read(_HASH_BLOCK))
            file.seek(max(0, size - _HASH_BLOCK))
            digest.update(file.read(_HASH_BLOCK))
        return digest.hexdigest()


@dataclass(slots=True)
class Footage:
    """The recordings of one camera looked at so far, the present one last."""

    recordings: list[Recording] = field(default_factory=list)

    def stills(self, times: Sequence[datetime]) -> Iterator[tuple[datetime, Look]]:
        """The pictures shown at given times, in order of time.

        A time before the first recording, or in a gap, gets the nearest picture after it.

        Yields:
            When each picture was really taken, and the picture.
        """
        wanted: dict[int, list[datetime]] = {}
        for time in sorted(set(times)):
            wanted.setdefault(self._index_at(time), []).append(time)
        for index, moments in wanted.items():
            recording = self.recordings[index]
            media = [max(0.0, recording.clock.media_s(moment)) for moment in moments]
            for look in recording.video.read(media):
                yield recording.clock.at(look.media_s), look

    def at(self, time: datetime) -> Recording:
        """The recording that shows a time, or the nearest one before it."""
        return self.recordings[self._index_at(time)]

    def _index_at(self, time: datetime) -> int:
        earlier = [i for i, recording in enumerate(self.recordings) if recording.began <= time]
        return earlier[-1] if earlier else 0
