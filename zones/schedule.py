"""The hours in which a zone is watched: a subset of OpenStreetMap's opening hours."""

from __future__ import annotations

import dataclasses
import difflib
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from zones.errors import ScheduleError

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_DAY_MIN = 24 * 60
_FIXED_OFFSET = re.compile(r"UTC([+-])([01]\d|2[0-3]):([0-5]\d)")
_EXAMPLE = '"Mo-Fr 08:00-20:00; Sa,Su 09:00-12:00" or "24/7"'
_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_RULE = re.compile(
    r"(?P<days>[A-Za-z][A-Za-z,\s-]*?)?\s*(?P<times>\d.*|off|closed)?", re.IGNORECASE
)

# Minutes from the start of the day, the last excluded; above 1440 they lie in the next day.
Range = tuple[int, int]


@dataclass(frozen=True)
class Schedule:
    """The hours of the week in which a zone is watched, on the wall clock of a time zone.

    Rules are separated by ``;``. A later rule replaces an earlier one on the days it names, as in
    OpenStreetMap. A range past midnight belongs to the day on which it starts. When clocks change,
    wall-clock time counts: an hour that occurs twice is in or out both times.

    Example:
        >>> from datetime import datetime, timezone
        >>> nights = Schedule.parse("Fr,Sa 22:00-02:00", "Asia/Shanghai")
        >>> nights.active(datetime(2026, 5, 1, 17, 30, tzinfo=timezone.utc))  # Sa 01:30 there
        True

    Attributes:
        text: The schedule as written; ``"24/7"`` for always.
        timezone: IANA name, or a fixed offset such as ``UTC+08:00``.
        week: The ranges that start on each day from Monday, in minutes.
        first: The first day on which the zone is watched; ``None``: always until now.
        last: The last day on which the zone is watched; ``None``: from now on always.
    """

    text: str
    timezone: str
    week: tuple[tuple[Range, ...], ...]
    first: date | None = None
    last: date | None = None

    @classmethod
    def parse(cls, text: str | None, timezone: str = "UTC") -> Schedule:
        """Parse a schedule; ``None`` means always.

        Raises:
            ScheduleError: The text or the time zone is malformed.
        """
        time_zone(timezone)
        whole_day: tuple[Range, ...] = ((0, _DAY_MIN),)
        if text is None or text.strip() == "24/7":
            return cls("24/7", timezone, (whole_day,) * 7)
        if not text.strip():
            raise ScheduleError(f"the schedule is empty; leave it out, or write {_EXAMPLE}")
        week: list[tuple[Range, ...]] = [()] * 7
        for rule in text.rstrip().removesuffix(";").split(";"):
            days, ranges = _parse_rule(rule.strip())
            for day in days:
                week[day] = ranges
        if not any(week):
            raise ScheduleError(f"{text!r} has no hours; add some, such as {_EXAMPLE}")
        return cls(text.strip(), timezone, tuple(week))

    def between(self, first: date | None, last: date | None) -> Schedule:
        """The same hours, on some days only.

        Args:
            first: The first day; ``None`` for no limit.
            last: The last day; ``None`` for no limit.
        """
        return dataclasses.replace(self, first=first, last=last)

    def active(self, at: datetime) -> bool:
        """Whether the zone is watched at a moment.

        Args:
            at: The moment, timezone-aware.

        Raises:
            ScheduleError: ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise ScheduleError(f"{at.isoformat()} has no time zone; give one, such as +08:00")
        local = at.astimezone(time_zone(self.timezone))
        minute = local.hour * 60 + local.minute
        today, yesterday = local.date(), local.date() - timedelta(days=1)
        return any(start <= minute < end for start, end in self._on(today)) or any(
            minute + _DAY_MIN < end for _, end in self._on(yesterday)
        )

    def _on(self, day: date) -> tuple[Range, ...]:
        """The ranges that start on a day."""
        too_early = self.first is not None and day < self.first
        too_late = self.last is not None and day > self.last
        return () if too_early or too_late else self.week[day.weekday()]


def is_fixed_offset(name: str) -> bool:
    """Whether a time zone's name is a fixed offset such as ``UTC+08:00``."""
    return _FIXED_OFFSET.fullmatch(name) is not None


def time_zone(name: str) -> tzinfo:
    """The time zone of a name of the IANA list, or of a fixed offset such as ``UTC+08:00``.

    Raises:
        ScheduleError: The name is neither.
    """
    offset = _FIXED_OFFSET.fullmatch(name)
    if offset is not None:
        east, hours, minutes = offset.groups()
        ahead = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(ahead if east == "+" else -ahead, name)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ScheduleError(
            f"{name!r} is no time zone; use a name of the IANA list, such as Asia/Shanghai"
        ) from None


def _parse_rule(rule: str) -> tuple[list[int], tuple[Range, ...]]:
    if not rule:
        raise ScheduleError(f"there is no rule between two semicolons; write {_EXAMPLE}")
    if rule == "24/7":
        raise ScheduleError('"24/7" must be the only rule; remove the others or write "Mo-Su"')
    match = _RULE.fullmatch(rule)
    if match is None:
        raise ScheduleError(f"{rule!r} is no rule; write {_EXAMPLE}")
    text, times = match["days"], match["times"]
    if text and not times and text.strip().lower() in ("off", "closed"):
        text, times = None, "off"
    days = list(range(7)) if text is None else _parse_days(text)
    if times is None:
        return days, ((0, _DAY_MIN),)
    if times.lower() in ("off", "closed"):
        return days, ()
    return days, tuple(_parse_range(part.strip()) for part in times.split(","))


def _parse_days(text: str) -> list[int]:
    days: list[int] = []
    for part in text.split(","):
        ends = [_parse_day(name.strip()) for name in part.split("-")]
        if len(ends) > 2:
            raise ScheduleError(f"{part.strip()!r} has too many dashes; write Mo-Fr")
        length = (ends[-1] - ends[0]) % 7
        days += [(ends[0] + i) % 7 for i in range(length + 1)]
    return days


def _parse_day(name: str) -> int:
    if name.capitalize() in DAYS:
        return DAYS.index(name.capitalize())
    if name.upper() in ("PH", "SH"):
        raise ScheduleError(f"holidays ({name}) are not supported; name weekdays")
    near = [day for day in DAYS if name.capitalize().startswith(day)]
    near = near or difflib.get_close_matches(name.capitalize(), DAYS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"write one of {' '.join(DAYS)}"
    raise ScheduleError(f"{name!r} is no day; {hint}")


def _parse_range(text: str) -> Range:
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ScheduleError(f"{text!r} is no range of times; write 08:00-20:00")
    start_hour, start_minute, end_hour, end_minute = (int(group) for group in match.groups())
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if start >= _DAY_MIN or end > _DAY_MIN or start_minute > 59 or end_minute > 59:
        raise ScheduleError(
            f"{text!r} is beyond 24:00; a range past midnight is written 22:00-02:00"
        )
    if start == end:
        raise ScheduleError(f"{text!r} has no length; for the whole day write 00:00-24:00")
    return start, end if end > start else end + _DAY_MIN
