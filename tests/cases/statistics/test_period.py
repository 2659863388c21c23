"""Periods of a city's calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cv_engine.cases import QueueError
from cv_engine.cases.statistics import Period

NINGBO = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-Q1", "2026-01-01", "2026-03-31"),
        ("2026-Q4", "2026-10-01", "2026-12-31"),
        ("2026-11", "2026-11-01", "2026-11-30"),
        ("2026-12", "2026-12-01", "2026-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-W48", "2026-11-23", "2026-11-29"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2026-11-30", "2026-11-30", "2026-11-30"),
        ("2026-11-05..2026-11-30", "2026-11-05", "2026-11-30"),
        ("2026-10..2026-11", "2026-10-01", "2026-11-30"),
    ],
)
def test_a_period_has_a_first_and_a_last_day(text: str, first: str, last: str) -> None:
    period = Period.parse(text, NINGBO)
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        *("", "November", "2026-13", "2026-W54", "2026-Q5", "2026-11-31", "2026-11..", "..2026-11"),
        *("2026-11-30..2026-11-01", "2026-11..2026-12..2027-01", "9999-12", "0001", "२०२६"),
    ],
)
def test_what_is_no_period_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(QueueError, match="period"):
        Period.parse(text, NINGBO)


def test_a_month_begins_at_the_citys_midnight() -> None:
    period = Period.parse("2026-11", NINGBO)
    assert period.start == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert period.end == datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_the_days_on_which_clocks_change_have_23_and_25_hours() -> None:
    spring = Period.parse("2026-03-29", BERLIN)
    autumn = Period.parse("2026-10-25", BERLIN)
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)


def test_where_midnight_does_not_exist_the_day_begins_with_the_change() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # on 24 April 2026 clocks go from 0:00 to 1:00
    day = Period.parse("2026-04-24", cairo)
    assert day.start == datetime(2026, 4, 23, 22, tzinfo=UTC)
    assert day.end - day.start == timedelta(hours=23)


def test_the_present_month_is_that_of_the_city() -> None:
    late = datetime(2026, 10, 31, 17, tzinfo=UTC)
    assert Period.month_of(late, NINGBO).name == "2026-11"
    assert Period.month_of(late, BERLIN).name == "2026-10"


@given(
    first=st.dates(date(1990, 1, 1), date(2050, 1, 1)),
    days=st.integers(0, 100),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Africa/Cairo", "Asia/Kathmandu"]),
)
def test_days_weeks_and_months_cover_a_period_without_gap_or_overlap(
    first: date, days: int, zone: str
) -> None:
    last = first + timedelta(days=days)
    period = Period.parse(f"{first}..{last}", ZoneInfo(zone))
    for parts in (list(period.days()), list(period.weeks()), list(period.months())):
        assert parts[0].start == period.start
        assert parts[-1].end == period.end
        assert all(one.end == other.start for one, other in pairwise(parts))
