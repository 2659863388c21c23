from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.cases import QueueError
from cv_engine.cases.deadlines import Deadlines, WorkingCalendar
from cv_engine.cases.taxonomy import Stage, Taxonomy, TimeLimit, load_taxonomy
from tests.cases.deadlines.made import at, calendars, times, week

OFFICE = week("Asia/Shanghai", "08:00-12:00", "13:00-17:00")
LIMIT = TimeLimit.parse


def _taxonomy(limits: dict[Stage, str], urgent: dict[Stage, str] | None = None) -> Taxonomy:
    """The packaged taxonomy, with time limits for clutter."""
    packaged = load_taxonomy()
    clutter = packaged.classify("clutter")
    timed = replace(
        clutter,
        limits={stage: LIMIT(text) for stage, text in limits.items()},
        urgent_limits={stage: LIMIT(text) for stage, text in (urgent or {}).items()},
    )
    key = (clutter.standard, clutter.kind, clutter.code)
    return replace(packaged, classes={**packaged.classes, key: timed})


def test_each_stage_is_due_by_the_limit_of_its_class() -> None:
    deadlines = Deadlines(
        _taxonomy(
            {Stage.CONFIRM: "2 working hours", Stage.HANDLE: "2 working days"},
            {Stage.HANDLE: "24 hours"},
        ),
        OFFICE,
    )
    friday = at("2026-05-08 16:00")
    assert deadlines.due("clutter", Stage.CONFIRM, friday) == at("2026-05-11 09:00")
    assert deadlines.due("clutter", Stage.HANDLE, friday) == at("2026-05-12 17:00")
    assert deadlines.due("clutter", Stage.HANDLE, friday, urgent=True) == at("2026-05-09 16:00")
    assert deadlines.due("clutter", Stage.CONFIRM, friday, urgent=True) == at("2026-05-11 09:00")
    assert deadlines.due("clutter", Stage.VERIFY, friday) is None
    assert deadlines.due("camera_blind", Stage.HANDLE, friday) is None
    with pytest.raises(QueueError, match="not in the taxonomy"):
        deadlines.due("jaywalking", Stage.HANDLE, friday)


def test_an_extension_is_counted_from_the_deadline() -> None:
    deadlines = Deadlines(_taxonomy({}), OFFICE)
    assert deadlines.extended(at("2026-05-08 17:00"), LIMIT("1 working day")) == at(
        "2026-05-12 17:00"
    ), "the closing counts as the next opening, on Monday"
    assert deadlines.extended(at("2026-05-08 16:00"), LIMIT("2 hours")) == at("2026-05-08 18:00")


@pytest.mark.parametrize(
    ("limit", "due"),
    [("8 working hours", "2026-05-13 16:00"), ("3 days", "2026-05-14 18:00")],
)
def test_a_deferral_gives_back_the_time_that_was_left(limit: str, due: str) -> None:
    """From Monday 15:00 to Wednesday 15:00."""
    deadlines = Deadlines(_taxonomy({Stage.CLOSE: limit}), OFFICE)
    was = at("2026-05-11 16:00") if limit == "8 working hours" else at("2026-05-12 18:00")
    pause = at("2026-05-11 15:00"), at("2026-05-13 15:00")
    assert deadlines.resumed("clutter", "close", was, pause) == at(due)


def test_a_warning_comes_after_four_fifths_of_the_working_time() -> None:
    deadlines = Deadlines(_taxonomy({}), OFFICE)
    start = at("2026-05-08 15:00")
    due = OFFICE.due(start, LIMIT("5 working hours"))
    assert deadlines.warn_at(start, due) == at("2026-05-11 10:00")
    night = at("2026-05-08 20:00")
    assert deadlines.warn_at(night, night + timedelta(hours=10)) == at("2026-05-09 04:00")


def test_calendar_limits_need_no_office_hours() -> None:
    deadlines = Deadlines(_taxonomy({Stage.HANDLE: "24 hours"}))
    start = at("2026-03-28 12:00", "Europe/Berlin")
    due = deadlines.due("clutter", Stage.HANDLE, start)
    assert due == at("2026-03-29 13:00", "Europe/Berlin")
    assert deadlines.warn_at(start, at("2026-03-29 13:00", "Europe/Berlin")) == at(
        "2026-03-29 08:12", "Europe/Berlin"
    )
    with pytest.raises(QueueError, match="1 working day cannot be counted without office hours"):
        deadlines.extended(start, LIMIT("1 working day"))


def test_working_limits_without_office_hours_are_refused() -> None:
    with pytest.raises(QueueError, match="'clutter' has the limit 2 working days, and no calendar"):
        Deadlines(_taxonomy({}, {Stage.HANDLE: "2 working days"}))


@settings(max_examples=100, deadline=None)
@given(calendars(), times(), st.integers(1, 20_000))
def test_a_warning_lies_between_the_start_and_the_deadline(
    calendar: WorkingCalendar, start: datetime, minutes: int
) -> None:
    due = start + timedelta(minutes=minutes)
    warned = Deadlines(load_taxonomy(), calendar).warn_at(start, due)
    assert start <= warned <= due


@settings(max_examples=100, deadline=None)
@given(calendars(), times(), st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000))
def test_a_deferral_leaves_as_much_working_time_as_before(
    calendar: WorkingCalendar, start: datetime, until: int, left: int, pause: int
) -> None:
    deadlines = Deadlines(_taxonomy({Stage.HANDLE: "1 working hour"}), calendar)
    deferred = start + timedelta(minutes=until)
    due = calendar.add_working(deferred, timedelta(minutes=left))
    resumed = deferred + timedelta(minutes=pause)
    found = deadlines.resumed("clutter", Stage.HANDLE, due, (deferred, resumed))
    assert calendar.working_time(resumed, found) == timedelta(minutes=left)
