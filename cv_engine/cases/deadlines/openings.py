"""The openings of an office in one year, as instants, ready to be searched.

Office hours are local time, working time is elapsed time. Between two changes of a time zone's
offset from UTC the two differ by a constant, so the openings are made for each such part of the
year by itself: an instant is within office hours when a clock on the wall shows a time within them.
A change to summer time shortens or moves an opening whose hours it skips, and a change back
lengthens or doubles one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise

from cv_engine.cases.deadlines.office_hours import OfficeHours

#: Microseconds since 1970 (UTC): whole numbers, so that sums are exact.
Instant = int

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
# No zone is further than 14 h from UTC: a year's local dates lie within its UTC dates and this.
_MARGIN = timedelta(days=1)


def instant_of(at: datetime) -> Instant:
    """The instant of a timezone-aware time."""
    return (at - _EPOCH) // _MICROSECOND


def time_of(instant: Instant) -> datetime:
    """The time (UTC) of an instant."""
    return _EPOCH + instant * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Openings:
    """The openings of one year, in their order; none overlap.

    Attributes:
        begins: Begin of each opening.
        ends: End of each opening.
        before: Working microseconds of the year before each opening, and of the whole year last.
        days: Number of each opening's working day within the year, from 0.
        closings: End of each working day's last opening.
    """

    begins: Sequence[Instant]
    ends: Sequence[Instant]
    before: Sequence[int]
    days: Sequence[int]
    closings: Sequence[Instant]

    @property
    def total(self) -> int:
        """Working microseconds of the year."""
        return self.before[-1]

    def worked(self, at: Instant) -> int:
        """Working microseconds from the begin of the year until an instant."""
        index = bisect_right(self.begins, at) - 1
        if index < 0:
            return 0
        return self.before[index] + min(at, self.ends[index]) - self.begins[index]

    def after(self, work: int) -> Instant:
        """The first instant at which the year has had ``work`` working microseconds.

        Args:
            work: More than 0 and at most `total`.
        """
        index = bisect_left(self.before, work) - 1
        return self.begins[index] + work - self.before[index]

    def day_at(self, at: Instant) -> int:
        """Number of the working day of an instant; outside office hours, of the next opening.

        Returns:
            The number within the year; ``len(closings)`` where the year has no later opening.
        """
        index = bisect_right(self.ends, at)
        return self.days[index] if index < len(self.days) else len(self.closings)


def openings_of(
    year: int, zone: tzinfo, hours_of: Callable[[date], Sequence[OfficeHours]]
) -> Openings:
    """The openings whose local date lies in a year.

    Args:
        year: The year.
        zone: The office's time zone.
        hours_of: The office hours of a local date.
    """
    begins: list[Instant] = []
    ends: list[Instant] = []
    before = [0]
    days: list[int] = []
    closings: list[Instant] = []
    last: date | None = None
    for day, begin, end in _pieces(year, zone, hours_of):
        if day != last:
            closings.append(end)
            last = day
        closings[-1] = end
        begins.append(begin)
        ends.append(end)
        days.append(len(closings) - 1)
        before.append(before[-1] + end - begin)
    return Openings(begins, ends, before, days, closings)


def _pieces(
    year: int, zone: tzinfo, hours_of: Callable[[date], Sequence[OfficeHours]]
) -> Iterator[tuple[date, Instant, Instant]]:
    """Local date, begin and end of each opening, cut where the offset from UTC changes."""
    for first, last, offset in _constant_offsets(year, zone):
        day = (time_of(first) + offset).date()
        while (midnight := _local(day, offset)) < last:
            if day.year == year:
                for hours in hours_of(day):
                    begin = max(first, midnight + hours.begin // _MICROSECOND)
                    end = min(last, midnight + hours.end // _MICROSECOND)
                    if begin < end:
                        yield day, begin, end
            day += timedelta(days=1)


def _local(day: date, offset: timedelta) -> Instant:
    """The instant of a day's begin by a clock that is ``offset`` ahead of UTC."""
    return instant_of(datetime(day.year, day.month, day.day, tzinfo=UTC) - offset)


def _constant_offsets(year: int, zone: tzinfo) -> Iterator[tuple[Instant, Instant, timedelta]]:
    """The parts of a year in which the offset from UTC stays the same: begin, end, offset."""
    begin = instant_of(datetime(year, 1, 1, tzinfo=UTC) - _MARGIN)
    end = instant_of(datetime(year + 1, 1, 1, tzinfo=UTC) + _MARGIN)
    changes = [
        _change(zone, early, early + _DAY)
        for early in range(begin, end, _DAY)
        if _offset(zone, early) != _offset(zone, early + _DAY)
    ]
    for first, last in pairwise([begin, *changes, end]):
        yield first, last, _offset(zone, first)


def _change(zone: tzinfo, early: Instant, late: Instant) -> Instant:
    """The instant between two at which the offset from UTC changes; a whole second."""
    before = _offset(zone, early)
    while late - early > _SECOND:
        middle = early + (late - early) // _SECOND // 2 * _SECOND
        if _offset(zone, middle) == before:
            early = middle
        else:
            late = middle
    return late


def _offset(zone: tzinfo, at: Instant) -> timedelta:
    return time_of(at).astimezone(zone).utcoffset() or timedelta(0)
