from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.cases import QueueError
from cv_engine.cases.taxonomy import TimeLimit, TimeUnit


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("4 working hours", 4, TimeUnit.WORKING_HOURS),
        ("1 working day", 1, TimeUnit.WORKING_DAYS),
        (" 90  Working  Minutes ", 90, TimeUnit.WORKING_MINUTES),
        ("24 hours", 24, TimeUnit.HOURS),
        ("7 days", 7, TimeUnit.DAYS),
        ("1 minute", 1, TimeUnit.MINUTES),
    ],
)
def test_a_limit_is_read_as_a_city_writes_it(text: str, amount: int, unit: TimeUnit) -> None:
    assert TimeLimit.parse(text) == TimeLimit(amount, unit)


@pytest.mark.parametrize("text", ["", "4", "2.5 hours", "4 weeks", "hours", "-1 days", "4 hours x"])
def test_what_is_no_limit_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(QueueError, match="is no time limit; write a whole number and minutes"):
        TimeLimit.parse(text)


@pytest.mark.parametrize("text", ["0 hours", "4000 days", "4000 working days", "999999999 hours"])
def test_a_limit_is_between_a_minute_and_ten_years(text: str) -> None:
    with pytest.raises(QueueError, match=r"is no time limit: it lies between 1 minute and 10"):
        TimeLimit.parse(text)


@given(st.integers(1, 3660), st.sampled_from(TimeUnit))
def test_a_limit_written_out_is_read_as_the_same(amount: int, unit: TimeUnit) -> None:
    limit = TimeLimit(amount, unit)
    assert TimeLimit.parse(str(limit)) == limit


def test_only_calendar_time_has_a_length() -> None:
    assert TimeLimit.parse("2 days").elapsed == timedelta(days=2)
    assert TimeLimit.parse("2 working days").elapsed is None
