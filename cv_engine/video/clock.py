"""Conversion of media time to UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from cv_engine.video.errors import VideoError

# The form of a pattern's codes in a file name; strptime checks the values.
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
# A date is required: a pattern of hours alone would give every day's footage the same date.
_DATE_CODES = (("Y", "y"), ("m", "b", "B", "j"), ("d", "j"))


@dataclass(frozen=True, slots=True)
class Clock:
    """Converts between media time and UTC.

    Attributes:
        start: Time of media time 0, timezone-aware.
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

    The first of these that is available counts: the time stated by the user, the file's name, the
    creation time in the file, and the time of the last write minus the length. The name takes
    precedence over the creation time because a person stated the pattern, while many cameras and
    all converters write a wrong creation time.

    Args:
        path: The recording.
        start: The time stated by the user; in ``tz`` if there is no offset.
        creation_time: The container's creation time, timezone-aware.
        pattern: Pattern of file names in the syntax of ``strptime``, such as
            ``"cam_%Y%m%d_%H%M%S"``; matched anywhere in the name without extension. ``"%s"`` is
            Unix time.
        tz: The camera's time zone.
        duration_s: Length of the recording in seconds.

    Returns:
        The start in UTC, and its source in words.

    Raises:
        VideoError: The file's name does not follow ``pattern``, or ``pattern`` is invalid.
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
    return begin, "the file's last change, less its length (state --start to be exact)"


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
        raise VideoError(f"{path}: the name holds no valid time ({error})") from error
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
            f"file-name pattern {pattern!r}: the date is incomplete; %Y, %m and %d are needed"
        )
    pieces = re.split(r"(%.)", pattern)
    return re.compile(
        "".join(_CODES[p[1]] if p.startswith("%") else re.escape(p) for p in pieces if p)
    )
