from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.deadlines import OfficeHours, WorkingCalendar
from cv_engine.cases.deadlines.public_holidays import PublicHolidays
from cv_engine.cases.taxonomy import TimeLimit
from tests.cases.deadlines.made import at, spans, week

OFFICE = week("Asia/Shanghai", "08:30-12:00", "13:30-17:30")


def _due(calendar: WorkingCalendar, start: datetime, limit: str) -> datetime:
    return calendar.due(start, TimeLimit.parse(limit))


@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        ("2026-05-04 09:00", "2 working hours", "2026-05-04 11:00"),
        ("2026-05-04 11:00", "2 working hours", "2026-05-04 14:30"),
        ("2026-05-04 17:00", "1 working hour", "2026-05-05 09:00"),
        ("2026-05-04 16:30", "1 working hour", "2026-05-04 17:30"),
        ("2026-05-04 12:30", "30 working minutes", "2026-05-04 14:00"),
        ("2026-05-08 17:00", "4 working hours", "2026-05-11 12:00"),
        ("2026-05-09 10:00", "1 working hour", "2026-05-11 09:30"),
        ("2026-12-31 17:00", "8 working hours", "2027-01-01 17:30"),
    ],
)
def test_working_hours_count_office_hours_only(start: str, limit: str, due: str) -> None:
    assert _due(OFFICE, at(start), limit) == at(due)


@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        ("2026-05-04 09:00", "1 working day", "2026-05-05 17:30"),
        ("2026-05-04 12:30", "1 working day", "2026-05-05 17:30"),
        ("2026-05-04 17:30", "1 working day", "2026-05-06 17:30"),
        ("2026-05-04 22:00", "1 working day", "2026-05-06 17:30"),
        ("2026-05-04 06:00", "1 working day", "2026-05-05 17:30"),
        ("2026-05-08 17:00", "1 working day", "2026-05-11 17:30"),
        ("2026-05-08 18:00", "1 working day", "2026-05-12 17:30"),
        ("2026-05-09 10:00", "5 working days", "2026-05-18 17:30"),
        ("2026-12-31 23:00", "1 working day", "2027-01-04 17:30"),
    ],
)
def test_working_days_end_at_the_closing_of_the_nth_day_after_that_of_the_start(
    start: str, limit: str, due: str
) -> None:
    assert _due(OFFICE, at(start), limit) == at(due)


def test_holidays_are_free_and_shifted_days_have_the_hours_of_their_weekday() -> None:
    calendar = WorkingCalendar(
        ZoneInfo("Asia/Shanghai"),
        {**dict.fromkeys(range(4), spans("08:30-17:30")), 4: spans("08:30-12:00")},
        holidays=frozenset({date(2026, 10, 1), date(2026, 10, 2)}),
        working_days={date(2026, 10, 4): 4},
    )
    assert _due(calendar, at("2026-09-30 17:00"), "1 working day") == at("2026-10-04 12:00")
    assert _due(calendar, at("2026-09-30 17:00"), "4 working hours") == at("2026-10-04 12:00")
    assert _due(calendar, at("2026-10-01 09:00"), "1 working day") == at("2026-10-05 17:30")
    assert calendar.is_open(at("2026-10-04 11:59"))
    assert not calendar.is_open(at("2026-10-04 12:00"))
    assert not calendar.is_open(at("2026-10-01 09:00"))


def test_chinas_holidays_and_shifted_working_days_come_from_the_yearly_notice() -> None:
    """The notice for 2026: free from 15 to 23 February, worked on the 14th and the 28th."""
    calendar = WorkingCalendar(
        OFFICE.zone, OFFICE.office_hours, frozenset(), {}, PublicHolidays("CN")
    )
    assert _due(calendar, at("2026-02-13 09:00"), "1 working day") == at("2026-02-14 17:30")
    assert _due(calendar, at("2026-02-14 09:00"), "1 working day") == at("2026-02-24 17:30")
    assert _due(calendar, at("2026-02-27 09:00"), "1 working day") == at("2026-02-28 17:30")
    assert not calendar.is_open(at("2026-10-07 09:00"))
    own = WorkingCalendar(
        OFFICE.zone,
        OFFICE.office_hours,
        frozenset({date(2026, 2, 14)}),
        {date(2026, 2, 16): 0},
        PublicHolidays("CN"),
    )
    assert not own.is_open(at("2026-02-14 09:00")), "the city's own dates come first"
    assert own.is_open(at("2026-02-16 09:00"))


def test_a_state_may_have_holidays_of_its_own() -> None:
    epiphany = date(2026, 1, 6)
    assert PublicHolidays("DE", "BY").is_free(epiphany)
    assert not PublicHolidays("DE").is_free(epiphany)
    with pytest.raises(QueueError, match="the public holidays of 'XX' are not known"):
        PublicHolidays("XX")
    with pytest.raises(QueueError, match=r"DE has no subdivision 'ZZ' .*; known: BB, BE"):
        PublicHolidays("DE", "ZZ")


@pytest.mark.parametrize(
    ("zone", "hours", "day", "worked_h"),
    [
        ("Europe/Berlin", "01:00-04:00", "2026-03-29", 2),
        ("Europe/Berlin", "02:30-04:00", "2026-03-29", 1),
        ("Europe/Berlin", "02:00-03:00", "2026-03-29", 0),
        ("Europe/Berlin", "01:00-04:00", "2026-10-25", 4),
        ("Europe/Berlin", "02:30-03:00", "2026-10-25", 1),
        ("Europe/Berlin", "09:00-17:00", "2026-10-25", 8),
        ("America/New_York", "00:00-24:00", "2026-03-08", 23),
        ("America/New_York", "00:00-24:00", "2026-11-01", 25),
        ("Australia/Lord_Howe", "00:00-24:00", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "00:00-24:00", "2026-10-04", 23.5),
        ("Asia/Shanghai", "00:00-24:00", "2026-03-29", 24),
    ],
)
def test_hours_that_a_change_of_the_clocks_skips_or_repeats_are_not_worked_or_worked_twice(
    zone: str, hours: str, day: str, worked_h: float
) -> None:
    calendar = WorkingCalendar(ZoneInfo(zone), {6: spans(hours)})
    middle = at(f"{day} 12:00", zone).astimezone(UTC)
    around = timedelta(days=2)
    assert calendar.working_time(middle - around, middle + around) == timedelta(hours=worked_h)


def test_calendar_time_is_elapsed_time_whatever_the_clocks_show() -> None:
    start = at("2026-03-28 12:00", "Europe/Berlin")
    berlin = week("Europe/Berlin", "08:00-16:00")
    assert _due(berlin, start, "24 hours") == at("2026-03-29 13:00", "Europe/Berlin")
    assert _due(berlin, start, "1 day") == at("2026-03-29 13:00", "Europe/Berlin")


def test_an_opening_keeps_its_time_on_the_wall_when_the_clocks_change() -> None:
    berlin = week("Europe/Berlin", "08:00-16:00")
    start = at("2026-03-27 15:00", "Europe/Berlin")
    assert _due(berlin, start, "2 working hours") == at("2026-03-30 09:00", "Europe/Berlin")
    assert _due(berlin, start, "1 working day") == at("2026-03-30 16:00", "Europe/Berlin")


def test_a_date_that_a_zone_left_out_is_no_working_day() -> None:
    """Samoa went from 29 to 31 December 2011."""
    samoa = WorkingCalendar(ZoneInfo("Pacific/Apia"), dict.fromkeys(range(7), spans("09:00-17:00")))
    start = at("2011-12-29 10:00", "Pacific/Apia")
    assert _due(samoa, start, "1 working day") == at("2011-12-31 17:00", "Pacific/Apia")
    assert _due(samoa, start, "8 working hours") == at("2011-12-31 10:00", "Pacific/Apia")


def test_a_calendar_without_a_working_day_ends_in_a_message() -> None:
    days = frozenset(date(2026, 1, 1) + timedelta(days=number) for number in range(365 * 10))
    calendar = WorkingCalendar(OFFICE.zone, OFFICE.office_hours, days)
    for limit in ("1 working hour", "1 working day"):
        with pytest.raises(QueueError, match="its holidays leave none; correct them"):
            _due(calendar, at("2026-05-04 09:00"), limit)


def test_a_calendar_needs_hours_in_their_order() -> None:
    with pytest.raises(QueueError, match="needs office hours on one weekday"):
        WorkingCalendar(OFFICE.zone, {0: ()})
    with pytest.raises(QueueError, match="09:00-10:00 begins before 08:00-12:00 ends"):
        WorkingCalendar(OFFICE.zone, {0: spans("08:00-12:00", "09:00-10:00")})


@pytest.mark.parametrize("text", ["17:00-09:00", "09:00-09:00", "23:00-24:01"])
def test_office_hours_lie_within_a_day(text: str) -> None:
    with pytest.raises(QueueError, match="write a night as two spans"):
        OfficeHours.parse(text)


@pytest.mark.parametrize("text", ["", "9-17", "09:00", "09:60-10:00", "09:00-17:00 daily"])
def test_what_is_no_span_of_hours_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(QueueError, match='write them as "08:30-12:00"'):
        OfficeHours.parse(text)


@pytest.mark.parametrize("limit", ["2000 working hours", "250 working days", "365 days"])
def test_a_deadline_a_year_ahead_takes_well_under_a_millisecond(limit: str) -> None:
    start, parsed = at("2026-01-05 09:00"), TimeLimit.parse(limit)
    OFFICE.due(start, parsed)
    began = time.process_time()
    for number in range(500):
        OFFICE.due(start + timedelta(minutes=number), parsed)
    assert (time.process_time() - began) / 500 < 0.0005
