"""When each of a camera's files began: the first as stated, the next where the last one ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from cv_engine.video.clock import start_of
from cv_engine.video.errors import VideoError
from cv_engine.video.source import Video


@dataclass(frozen=True, slots=True)
class FileStart:
    """When a file began.

    Attributes:
        at: The time, UTC.
        basis: In words, what the time is based on.
        doubt: In words, why the time may be wrong, where that is known.
    """

    at: datetime
    basis: str
    doubt: str | None = None


class FileTiming:
    """When one camera's files began, one after the other.

    A start that the user states is that of the first file. The next begins where the one before
    ended, or, where the camera's files have their time in their names, as much later as the names
    say: a camera whose clock is wrong is wrong by the same in each name. Without a stated start
    each file has its own (see :func:`cv_engine.video.clock.start_of`).

    Args:
        start: When the first file began; without an offset in ``tz``.
        pattern: How the camera's files are named, in the form of ``strptime``.
        tz: The camera's time zone.
    """

    def __init__(self, start: datetime | None, pattern: str | None, tz: tzinfo) -> None:
        self._start = start
        self._pattern = pattern
        self._tz = tz
        self._next: datetime | None = None
        self._shift: timedelta | None = None
        self._missed: list[str] = []

    def begin(self, video: Video) -> FileStart:
        """When the next file began.

        Raises:
            VideoError: The file's name has to give it, and does not follow the pattern.
        """
        if self._start is None:
            began, basis = start_of(
                video.path,
                creation_time=video.creation_time,
                pattern=self._pattern,
                tz=self._tz,
                duration_s=video.duration_s,
            )
            return FileStart(began, basis)
        named = self._named(video.path)
        if self._next is None:
            return FileStart(self._first(video.path, named), "the start given")
        if named is not None and self._shift is not None:
            basis = "the start given, and the times in the files' names"
            return FileStart(named + self._shift, basis)
        doubt = None
        if self._missed:
            doubt = f"timed as if {', '.join(self._missed)}, which cannot be read, had no length"
        return FileStart(self._next, "the start given, and the lengths of the files before", doubt)

    def _first(self, path: Path, named: datetime | None) -> datetime:
        """The start of the first file; with a time in its name, the shift of all names from it."""
        began, _ = start_of(path, start=self._start, tz=self._tz)
        self._next = began
        self._shift = timedelta(0) if named is None else began - named
        return began

    def ended(self, began: datetime, length_s: float) -> None:
        """Notes how long the last file was."""
        self._next = began + timedelta(seconds=length_s)

    def missed(self, path: Path) -> None:
        """Notes that a file cannot be read, so that its length is not known."""
        self._missed.append(path.name)
        if self._start is not None and self._next is None:
            self._first(path, self._named(path))

    def _named(self, path: Path) -> datetime | None:
        """The time in a file's name, UTC; ``None`` where there is none."""
        if self._pattern is None:
            return None
        try:
            return start_of(path, pattern=self._pattern, tz=self._tz)[0]
        except VideoError:
            return None
