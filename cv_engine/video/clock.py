"""From media time to UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from cv_engine.video.errors import VideoError

# What a pattern's codes look like in a file name; the value itself is checked by strptime.
_CODES = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "j": r"\d{3}",
    "H": r"\d{2}",
    "I": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{1,6}",
    "z": r"(?:Z|[+-]\d{2}:?\d{2})",
    "p": r"[AaPp][Mm]",
    "b": r"[^\W\d_]+",
    "B": r"[^\W\d_]+",
    "a": r"[^\W\d_]+",
    "A": r"[^\W\d_]+",
    "Z": r"[A-Za-z]+",
    "%": "%",
}
_SECONDS_SINCE_1970 = "%s"  # recorders that name files by Unix time
# The date at least: a pattern of hours alone would put every day's footage on one day.
_DATE_CODES = (("Y", "y"), ("m", "b", "B", "j"), ("d", "j"))


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells when a picture was taken.

    Attributes:
        start: When media time 0 was, timezone-aware.
    """

    start: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("a clock's start needs a time zone")

    def at(self, media_s: float) -> datetime:
        """The UTC time at a media time in seconds."""
        return self.start.astimezone(UTC) + timedelta(seconds=media_s)

    def media_s(self, at: datetime) -> float:
        """The media time in seconds at a timezone-aware time."""
        return (at - self.start).total_seconds()


def start_of(
    path: Path,
    *,
    start: datetime | None = None,
    creation_time: datetime | None = None,
    pattern: str | None = None,
    tz: tzinfo = UTC,
    duration_s: float | None = None,
) -> tuple[datetime, str]:
    """Finds when a recording began.

    In this order: what the user says, the file's name, the file's own creation time, and when
    the file was last written less its length. A file's name goes before its creation time since
    someone has stated the pattern, while many cameras and all converters write a wrong one.

    Args:
        path: The recording.
        start: What the user says; without an offset it is in ``tz``.
        creation_time: What the container says, timezone-aware.
        pattern: How files are named, as ``strptime`` has it, such as ``"cam_%Y%m%d_%H%M%S"``;
            it may match anywhere in the name without its extension. ``"%s"`` is Unix time.
        tz: The camera's time zone.
        duration_s: Length of the recording in seconds.

    Returns:
        The start in UTC, and in words what it is based on.

    Raises:
        VideoError: The file's name does not follow ``pattern``, or ``pattern`` makes no sense.
    """
    if start is not None:
        zoned = start if start.tzinfo is not None else start.replace(tzinfo=tz)
        return zoned.astimezone(UTC), "the start given"
    if pattern is not None:
        return _named_time(path, pattern, tz), f"the file's name by the pattern {pattern}"
    if creation_time is not None:
        return creation_time.astimezone(UTC), "the creation time in the file"
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error
    begin = written - timedelta(seconds=duration_s or 0.0)
    return begin, "when the file was last written, less its length (state --start to be exact)"


def _named_time(path: Path, pattern: str, tz: tzinfo) -> datetime:
    match = _pattern_expression(pattern).search(path.stem)
    if match is None:
        raise VideoError(
            f"{path}: the name does not follow the camera's pattern {pattern!r}; correct the "
            "pattern in the configuration, or state --start"
        )
    try:
        if pattern.count(_SECONDS_SINCE_1970):
            return datetime.fromtimestamp(int(match["s"]), UTC)
        named = datetime.strptime(match.group(), pattern)
    except (ValueError, OverflowError, OSError) as error:
        raise VideoError(f"{path}: the time in its name is none ({error})") from error
    return (named if named.tzinfo else named.replace(tzinfo=tz)).astimezone(UTC)


def _pattern_expression(pattern: str) -> re.Pattern[str]:
    """The regular expression of file names that follow a strptime pattern."""
    if pattern.count(_SECONDS_SINCE_1970) == 1:
        before, after = pattern.split(_SECONDS_SINCE_1970)
        return re.compile(f"{re.escape(before)}(?P<s>\\d{{9,11}}){re.escape(after)}")
    codes = re.findall(r"%(.)", pattern)
    unknown = sorted(set(codes) - set(_CODES))
    if unknown or (pattern.endswith("%") and not pattern.endswith("%%")):
        raise VideoError(
            f"file-name pattern {pattern!r}: unknown code %{unknown[0] if unknown else ''}; known "
            f"are %s alone, or {' '.join('%' + code for code in _CODES)}"
        )
    if not all(any(code in codes for code in one_of) for one_of in _DATE_CODES):
        raise VideoError(
            f"file-name pattern {pattern!r}: states no whole date; it needs %Y, %m and %d"
        )
    pieces = re.split(r"(%.)", pattern)
    return re.compile(
        "".join(_CODES[p[1]] if p.startswith("%") else re.escape(p) for p in pieces if p)
    )
