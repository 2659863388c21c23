"""Laws of working time, for any office in zones with and without summer time."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cv_engine.cases.deadlines import WorkingCalendar
from cv_engine.cases.taxonomy import TimeLimit, TimeUnit
from tests.cases.deadlines.made import DAY, MINUTE, calendars, is_worked, times

# A calendar is large to generate; the recounts look at every minute of some days.
_LAW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_RECOUNT = settings(_LAW, max_examples=60)

minutes = st.integers(1, 6000).map(lambda number: TimeLimit(number, TimeUnit.WORKING_MINUTES))
limits = st.one_of(
    minutes,
    st.builds(TimeLimit, st.integers(1, 30), st.sampled_from(TimeUnit)),
)


@_RECOUNT
@given(calendars(), times(), st.integers(0, 6 * 1440))
def test_working_time_is_what_a_clock_on_the_wall_counts(
    calendar: WorkingCalendar, start: datetime, length: int
) -> None:
    worked = sum(is_worked(calendar, start + number * MINUTE) for number in range(length))
    assert calendar.working_time(start, start + length * MINUTE) == worked * MINUTE
    assert calendar.working_time(start + length * MINUTE, start) == -worked * MINUTE
    assert calendar.is_open(start) == is_worked(calendar, start)


@_RECOUNT
@given(calendars(), times(), st.integers(1, 3))
def test_working_days_are_the_dates_that_a_clock_on_the_wall_counts(
    calendar: WorkingCalendar, start: datetime, amount: int
) -> None:
    due = calendar.due(start, TimeLimit(amount, TimeUnit.WORKING_DAYS))
    if due - start > 25 * DAY:
        return  # a long row of holidays, too many minutes to count
    count = (due + 2 * DAY - start) // MINUTE
    worked = [
        start + number * MINUTE
        for number in range(count)
        if is_worked(calendar, start + number * MINUTE)
    ]
    dates = [each.astimezone(calendar.zone).date() for each in worked]
    day = list(dict.fromkeys(dates))[amount]
    last = max(each for each, of in zip(worked, dates, strict=True) if of == day)
    assert due == last + MINUTE


@_LAW
@given(calendars(), times(), times(), limits)
def test_a_later_start_is_never_due_earlier(
    calendar: WorkingCalendar, one: datetime, other: datetime, limit: TimeLimit
) -> None:
    first, second = sorted((one, other))
    assert calendar.due(first, limit) <= calendar.due(second, limit)


@_LAW
@given(calendars(), times(), limits, st.integers(1, 500))
def test_a_larger_amount_is_never_due_earlier(
    calendar: WorkingCalendar, start: datetime, limit: TimeLimit, more: int
) -> None:
    larger = TimeLimit(limit.amount + more, limit.unit)
    assert start < calendar.due(start, limit) <= calendar.due(start, larger)


@_LAW
@given(calendars(), times(), minutes, minutes)
def test_two_amounts_of_working_time_one_after_the_other_are_their_sum(
    calendar: WorkingCalendar, start: datetime, one: TimeLimit, other: TimeLimit
) -> None:
    both = TimeLimit(one.amount + other.amount, one.unit)
    assert calendar.due(calendar.due(start, one), other) == calendar.due(start, both)


@_LAW
@given(calendars(), times(), st.integers(1, 10**10))
def test_the_end_of_an_amount_has_that_working_time_before_it_and_lies_in_office_hours(
    calendar: WorkingCalendar, start: datetime, microseconds: int
) -> None:
    amount = timedelta(microseconds=microseconds)
    end = calendar.add_working(start, amount)
    assert calendar.working_time(start, end) == amount
    assert calendar.is_open(end - timedelta(microseconds=1))


@_LAW
@given(calendars(), times(), st.integers(1, 30))
def test_a_number_of_working_days_ends_at_a_closing(
    calendar: WorkingCalendar, start: datetime, amount: int
) -> None:
    instant = timedelta(microseconds=1)
    due = calendar.due(start, TimeLimit(amount, TimeUnit.WORKING_DAYS))
    following = calendar.add_working(due, instant)
    last, first = (each.astimezone(calendar.zone) for each in (due - instant, following - instant))
    assert calendar.is_open(last)
    assert last.date() < first.date()


@_LAW
@given(calendars(), times(), st.integers(1, 1000), st.sampled_from(["minutes", "hours", "days"]))
def test_calendar_time_is_elapsed_time(
    calendar: WorkingCalendar, start: datetime, amount: int, unit: str
) -> None:
    limit = TimeLimit(amount, TimeUnit(unit))
    local = start.astimezone(calendar.zone)
    assert calendar.due(local, limit) - start == limit.elapsed


@_LAW
@given(calendars(), times(), limits)
def test_the_zone_in_which_a_start_is_written_changes_nothing(
    calendar: WorkingCalendar, start: datetime, limit: TimeLimit
) -> None:
    assert calendar.due(start.astimezone(calendar.zone), limit) == calendar.due(start, limit)
