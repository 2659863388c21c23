"""Reads a working calendar from its YAML file, and reports every problem of the file at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cv_engine.cases.deadlines.calendar import WorkingCalendar
from cv_engine.cases.deadlines.office_hours import OfficeHours, check_order
from cv_engine.cases.deadlines.public_holidays import PublicHolidays
from cv_engine.cases.errors import QueueError
from cv_engine.section import Name, Section, Unit
from cv_engine.yaml_file import Problem, Validated, read_validated, told

_LONGEST_HOLIDAY = timedelta(days=366)  # a longer span is a slip in its year
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _hours(value: object) -> OfficeHours:
    try:
        return OfficeHours.parse(value if isinstance(value, str) else repr(value))
    except QueueError as error:
        raise ValueError(str(error)) from None


def _in_order(spans: tuple[OfficeHours, ...]) -> tuple[OfficeHours, ...]:
    try:
        check_order(spans)
    except QueueError as error:
        raise ValueError(str(error)) from None
    return spans


def _date(value: object) -> date:
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"{str(value)[:60]!r} is no date; write it as 2026-10-01") from None


def _dates(value: object) -> frozenset[date]:
    first, _, last = str(value).partition("/")
    begin, end = _date(first), _date(last or first)
    if not timedelta(0) <= end - begin <= _LONGEST_HOLIDAY:
        raise ValueError(
            f"{str(value)[:60]!r} does not run from a date to a later one within a year; write "
            "it as 2026-10-01/2026-10-07"
        )
    days = (end - begin).days + 1
    return frozenset(begin + timedelta(days=number) for number in range(days))


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{str(value)[:60]!r} is no time zone; write an IANA name such as Asia/Shanghai"
        ) from None


Hours = Annotated[
    tuple[Annotated[OfficeHours, BeforeValidator(_hours)], ...], AfterValidator(_in_order)
]
Day = Annotated[date, BeforeValidator(_date)]
Days = Annotated[frozenset[date], BeforeValidator(_dates)]
Zone = Annotated[
    ZoneInfo, BeforeValidator(_zone), Unit("an IANA name of a time zone", "Asia/Shanghai")
]


class WeekEntry(Section):
    """The office hours of each weekday; a weekday that is left out is free."""

    monday: Hours = ()
    tuesday: Hours = ()
    wednesday: Hours = ()
    thursday: Hours = ()
    friday: Hours = ()
    saturday: Hours = ()
    sunday: Hours = ()

    @model_validator(mode="after")
    def _some_hours(self) -> WeekEntry:
        if not any(getattr(self, name) for name in _WEEKDAYS):
            raise ValueError('no weekday has office hours; write some, such as ["08:30-12:00"]')
        return self


class CalendarFile(Section):
    """The whole file."""

    timezone: Zone
    office_hours: WeekEntry
    country: Name | None = None
    subdivision: Name | None = None
    holidays: tuple[Days, ...] = ()
    working_days: dict[Day, Weekday] = Field(default_factory=dict)


def load_calendar(path: Path) -> WorkingCalendar:
    """Read a working calendar.

    Args:
        path: A YAML file; docs/cases.md explains its keys.

    Raises:
        QueueError: The file cannot be read or has errors; the text has a line for each, with file,
            line and key.
    """
    read = read_validated(path, CalendarFile)
    problems = _problems(read)
    if problems or read.value is None:
        raise QueueError(told(path, problems))
    file = read.value
    return WorkingCalendar(
        zone=file.timezone,
        office_hours={
            number: getattr(file.office_hours, name) for number, name in enumerate(_WEEKDAYS)
        },
        holidays=frozenset().union(*file.holidays),
        working_days={day: _WEEKDAYS.index(name) for day, name in file.working_days.items()},
        public=_public(file),
    )


def calendar_problems(path: Path) -> tuple[Problem, ...]:
    """Every problem of a calendar file, in the order of its lines."""
    return _problems(read_validated(path, CalendarFile))


def _problems(read: Validated[CalendarFile]) -> tuple[Problem, ...]:
    found = list(read.problems)
    if read.value is not None and read.document is not None:
        line = read.document.line
        found += [Problem(line(where), text) for where, text in _contradictions(read.value)]
    return tuple(sorted(found))


def _contradictions(file: CalendarFile) -> Iterator[tuple[list[str | int], str]]:
    """Place and text of each problem that no key shows alone."""
    for number, days in enumerate(file.holidays):
        for day in sorted(days & file.working_days.keys()):
            text = f"{day} is also among the working_days; remove it from one of them"
            yield ["holidays", number], f"holidays[{number}]: {text}"
    if file.country is None:
        if file.subdivision is not None:
            text = "subdivision: stands without a country; add country: and its code"
            yield ["subdivision"], text
        return
    for key, subdivision in (("country", ""), ("subdivision", file.subdivision or "")):
        try:
            PublicHolidays(file.country, subdivision)
        except QueueError as error:
            yield [key], f"{key}: {error}"
            return


def _public(file: CalendarFile) -> PublicHolidays | None:
    if file.country is None:
        return None
    return PublicHolidays(file.country, file.subdivision or "")
