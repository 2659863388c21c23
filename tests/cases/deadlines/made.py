"""Working calendars and times, made by hand and by hypothesis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from cv_engine.cases.deadlines import OfficeHours, WorkingCalendar

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
#: The last two change their clocks by half an hour, and left out a day (30 December 2011).
ZONES = (
    *("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"),
)


def spans(*texts: str) -> tuple[OfficeHours, ...]:
    return tuple(OfficeHours.parse(text) for text in texts)


def week(
    zone: str,
    *hours: str,
    holidays: Sequence[str] = (),
    working_days: Mapping[str, int] | None = None,
) -> WorkingCalendar:
    """Monday to Friday with the same office hours."""
    return WorkingCalendar(
        ZoneInfo(zone),
        dict.fromkeys(range(5), spans(*hours)),
        frozenset(map(date.fromisoformat, holidays)),
        {date.fromisoformat(day): of for day, of in (working_days or {}).items()},
    )


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    """A local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@st.composite
def _hours(draw: st.DrawFn) -> tuple[OfficeHours, ...]:
    """Up to three spans of a day, the night and whole hours included."""
    minutes = st.one_of(st.integers(0, 24).map(lambda hour: hour * 60), st.integers(0, 1440))
    edges = sorted(draw(st.sets(minutes, min_size=2, max_size=6)))
    pairs = list(pairwise(edges))[::2]
    return tuple(OfficeHours(begin * MINUTE, end * MINUTE) for begin, end in pairs)


_DATES = st.dates(date(2025, 12, 20), date(2027, 1, 10))


@st.composite
def calendars(draw: st.DrawFn) -> WorkingCalendar:
    """Any office, in zones with and without summer time."""
    days = draw(st.dictionaries(st.integers(0, 6), _hours(), min_size=1))
    return WorkingCalendar(
        ZoneInfo(draw(st.sampled_from(ZONES))),
        days,
        draw(st.frozensets(_DATES, max_size=20)),
        draw(st.dictionaries(_DATES, st.integers(0, 6), max_size=5)),
    )


#: Changes of the clocks in 2026, and the end of the year.
_NEAR = [
    datetime.fromisoformat(f"{day}T12:00Z")
    for day in ("2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01")
] + [datetime(2026, 12, 31, 12, tzinfo=UTC)]


def times() -> st.SearchStrategy[datetime]:
    """Whole minutes of 2026 (UTC), half of them near a change of the clocks."""
    near = st.builds(
        lambda middle, minutes: middle + minutes * MINUTE,
        st.sampled_from(_NEAR),
        st.integers(-3000, 3000),
    )
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return st.one_of(near, st.integers(0, 525_599).map(lambda minutes: begin + minutes * MINUTE))


def is_worked(calendar: WorkingCalendar, minute: datetime) -> bool:
    """Whether a minute is worked, by the clock on the wall alone."""
    local = minute.astimezone(calendar.zone)
    day, clock = local.date(), timedelta(hours=local.hour, minutes=local.minute)
    if day in calendar.working_days:
        weekday = calendar.working_days[day]
    elif day in calendar.holidays:
        return False
    else:
        weekday = day.weekday()
    return any(span.begin <= clock < span.end for span in calendar.office_hours.get(weekday, ()))
