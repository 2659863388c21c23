"""The working calendar of a city: office hours, holidays and shifted working days.

Three ways to count time:

- **Calendar time** (minutes, hours, days) is elapsed time. A day is 24 hours.
- **Working hours** are elapsed time within office hours. An amount ends as soon as it is used up:
  at the closing, not at the next opening.
- **Working days** end at the last closing of the Nth working day after the day of the start. A
  start outside office hours counts as a start at the next opening, a start at the closing too.

Office hours are those of the clock on the wall, so that a change to or from summer time moves no
opening; where it falls into office hours, the hour that is skipped or repeated is not worked, or
worked twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from cv_engine.cases.deadlines.office_hours import OfficeHours, check_order
from cv_engine.cases.deadlines.openings import Openings, instant_of, openings_of, time_of
from cv_engine.cases.deadlines.public_holidays import PublicHolidays
from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy.time_limit import TimeLimit, TimeUnit

_MICROSECOND = timedelta(microseconds=1)
# A calendar without a working day for so long is wrong, and a search in it would not end.
_MOST_IDLE_YEARS = 5


@dataclass(frozen=True)
class WorkingCalendar:
    """When a city's offices work.

    Attributes:
        zone: The offices' time zone.
        office_hours: Spans of each weekday (0 is Monday), in their order, without overlap; a
            weekday that is left out is free.
        holidays: Dates that are free.
        working_days: Dates that are worked whatever else says, such as a Saturday in exchange for a
            long holiday, each with the weekday whose office hours hold.
        public: Public holidays and shifted working days of the country; ``None`` for none. Shifted
            working days have the hours of the first weekday that has any.

    Raises:
        QueueError: No weekday has office hours, or spans overlap.
    """

    zone: ZoneInfo
    office_hours: Mapping[int, Sequence[OfficeHours]]
    holidays: frozenset[date] = frozenset()
    working_days: Mapping[date, int] = field(default_factory=dict)
    public: PublicHolidays | None = None
    _years: dict[int, Openings] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not any(self.office_hours.values()):
            raise QueueError("a working calendar needs office hours on one weekday at least")
        for spans in self.office_hours.values():
            check_order(spans)

    def hours_of(self, day: date) -> Sequence[OfficeHours]:
        """The office hours of a local date; empty where the day is free."""
        weekday = self.working_days.get(day)
        if weekday is None and day in self.holidays:
            return ()
        if weekday is None and self.public is not None:
            if self.public.is_shifted_working_day(day):
                weekday = min(each for each, spans in self.office_hours.items() if spans)
            elif self.public.is_free(day):
                return ()
        return self.office_hours.get(day.weekday() if weekday is None else weekday, ())

    def due(self, start: datetime, limit: TimeLimit) -> datetime:
        """When a time limit that begins at ``start`` ends.

        Args:
            start: Timezone-aware time.
            limit: The time limit.

        Returns:
            The end, in UTC.

        Raises:
            QueueError: The calendar has no working time for years.
        """
        if limit.elapsed is not None:
            return time_of(instant_of(start) + limit.elapsed // _MICROSECOND)
        if limit.unit is TimeUnit.WORKING_DAYS:
            return self._closing(start, limit.amount)
        return self.add_working(start, limit.amount * limit.unit.length)

    def add_working(self, start: datetime, amount: timedelta) -> datetime:
        """The first time at which ``amount`` of working time has passed since ``start``.

        Args:
            start: Timezone-aware time.
            amount: Working time, 0 or more.

        Returns:
            The time, in UTC; ``start`` itself for an amount of 0.

        Raises:
            QueueError: The calendar has no working time for years.
        """
        work = amount // _MICROSECOND
        at = instant_of(start)
        if work <= 0:
            return time_of(at)
        year = self._year_of(start)
        work += self._openings(year).worked(at)
        idle = 0
        while work > (total := self._openings(year).total):
            work -= total
            idle = 0 if total else idle + 1
            year = self._next(year, idle)
        return time_of(self._openings(year).after(work))

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """Working time between two timezone-aware times; negative where ``end`` is first."""
        early, late = instant_of(start), instant_of(end)
        if late < early:
            return -self.working_time(end, start)
        first, last = self._year_of(start), self._year_of(end)
        work = sum(self._openings(year).total for year in range(first, last))
        work += self._openings(last).worked(late) - self._openings(first).worked(early)
        return work * _MICROSECOND

    def is_open(self, at: datetime) -> bool:
        """Whether a timezone-aware time lies within office hours; a closing does not."""
        local = at.astimezone(self.zone)
        clock = local.replace(tzinfo=None) - datetime(local.year, local.month, local.day)
        return any(span.begin <= clock < span.end for span in self.hours_of(local.date()))

    def _closing(self, start: datetime, amount: int) -> datetime:
        """Last closing of the ``amount``-th working day after the day of the start."""
        year = self._year_of(start)
        number = self._openings(year).day_at(instant_of(start)) + amount
        # Where the year has no later opening, its number of days stands for the next year's first.
        idle = 0
        while number >= (count := len(self._openings(year).closings)):
            number -= count
            idle = 0 if count else idle + 1
            year = self._next(year, idle)
        return time_of(self._openings(year).closings[number])

    def _next(self, year: int, idle: int) -> int:
        if idle >= _MOST_IDLE_YEARS:
            raise QueueError(
                f"the working calendar has no working day in the {idle} years until the end of "
                f"{year}: its holidays leave none; correct them"
            )
        return year + 1

    def _year_of(self, at: datetime) -> int:
        return at.astimezone(self.zone).year

    def _openings(self, year: int) -> Openings:
        """The openings of a year, made when they are first needed."""
        found = self._years.get(year)
        if found is None:
            found = self._years[year] = openings_of(year, self.zone, self.hours_of)
        return found
