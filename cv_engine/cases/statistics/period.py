"""Periods of a city's calendar: a year, quarter, month, week, day or any span of days."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby

from cv_engine.cases.errors import QueueError

_MONTHS_OF_QUARTER = 3
_DAY = timedelta(days=1)
_FORMS = "2026, 2026-Q4, 2026-11, 2026-W48, 2026-11-30 or 2026-11-01..2026-11-30"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in a city's time zone.

    Attributes:
        first: The first day.
        last: The last day; it belongs to the period.
        zone: The city's time zone.
        name: The period as the user names it.
    """

    first: date
    last: date
    zone: tzinfo
    name: str

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise QueueError(f"period {self.name}: it ends before it begins")

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> Period:
        """The period of a text such as ``2026-11``, ``2026-W48`` or ``2026-11-01..2026-11-30``.

        Args:
            text: A year, quarter, month, ISO week, day, or two of them with ``..`` between.
            zone: The city's time zone.

        Raises:
            QueueError: The text is no period; the message shows the forms.
        """
        first, _, last = text.strip().partition("..")
        try:
            start = _span(first)[0]
            end = _span(last or first)[1]
            # The days around the period must exist, since time zones reach over them.
            _ = start - _DAY, end + _DAY
        except (ValueError, OverflowError):
            raise QueueError(f"period {text}: not a period; write it as {_FORMS}") from None
        if text.strip().endswith(".."):
            raise QueueError(f"period {text}: has no end; write it as {_FORMS}")
        return cls(start, end, zone, text.strip())

    @classmethod
    def month_of(cls, at: datetime, zone: tzinfo) -> Period:
        """The month of a moment (timezone-aware) in the city's time zone."""
        return cls.parse(f"{at.astimezone(zone):%Y-%m}", zone)

    @property
    def start(self) -> datetime:
        """The first moment (UTC)."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after the period (UTC)."""
        return _midnight(self.last + _DAY, self.zone)

    def days(self) -> Iterator[Period]:
        """The days of the period."""
        day = self.first
        while day <= self.last:
            yield Period(day, day, self.zone, day.isoformat())
            day += _DAY

    def weeks(self) -> Iterator[Period]:
        """The ISO weeks, from Monday, that the period touches, each cut to the period."""
        return self._parts(lambda day: "{}-W{:02}".format(*day.isocalendar()[:2]))

    def months(self) -> Iterator[Period]:
        """The months that the period touches, each cut to the period."""
        return self._parts(lambda day: f"{day:%Y-%m}")

    def _parts(self, name_of: Callable[[date], str]) -> Iterator[Period]:
        days = (self.first + n * _DAY for n in range((self.last - self.first).days + 1))
        for name, group in groupby(days, name_of):
            part = list(group)
            yield Period(part[0], part[-1], self.zone, name)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day (UTC).

    Where clocks go forward at midnight, 0:00 read with the offset from before is that moment.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _span(text: str) -> tuple[date, date]:
    """The first and last day of a year, quarter, month, week or day.

    Raises:
        ValueError: The text is none of these.
    """
    if found := re.fullmatch(r"(\d{4})-W(\d{2})", text, re.ASCII):
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
        return monday, monday + 6 * _DAY
    if found := re.fullmatch(r"(\d{4})-Q([1-4])", text, re.ASCII):
        start = (int(found[2]) - 1) * _MONTHS_OF_QUARTER + 1
        return _months(int(found[1]), start, _MONTHS_OF_QUARTER)
    if re.fullmatch(r"\d{4}", text, re.ASCII):
        return date(int(text), 1, 1), date(int(text), 12, 31)
    if found := re.fullmatch(r"(\d{4})-(\d{2})", text, re.ASCII):
        return _months(int(found[1]), int(found[2]), 1)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return date.fromisoformat(text), date.fromisoformat(text)
    raise ValueError(text)


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    after = month + count
    next_first = date(year + (after - 1) // 12, (after - 1) % 12 + 1, 1)
    return date(year, month, 1), next_first - _DAY
