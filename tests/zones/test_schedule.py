from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zones.errors import ScheduleError
from zones.schedule import DAYS, Schedule

Rule = tuple[list[int], list[tuple[int, int]]]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@st.composite
def _ranges(draw: st.DrawFn) -> tuple[int, int]:
    start = draw(st.integers(0, 1439))
    end = draw(st.integers(0, 1440).filter(lambda end: end != start))
    return start, end


rules = st.lists(
    st.tuples(
        st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True),
        st.lists(_ranges(), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def _text(rules: list[Rule]) -> str:
    return "; ".join(
        ",".join(DAYS[day] for day in days)
        + " "
        + ",".join(f"{_clock(start)}-{_clock(end)}" for start, end in ranges)
        for days, ranges in rules
    )


def _minutes_of_week(rules: list[Rule]) -> set[int]:
    """All minutes of the week that are in, by stepping from each start to each end."""
    own: dict[int, list[tuple[int, int]]] = {}
    for days, ranges in rules:
        for day in days:
            own[day] = ranges
    inside = set()
    for day, ranges in own.items():
        for start, end in ranges:
            minute = start
            while True:
                inside.add((day * 1440 + minute) % (7 * 1440))
                minute += 1
                if minute % 1440 == end % 1440:
                    break
    return inside


@settings(max_examples=30)
@given(
    rules=rules, zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC"])
)
def test_agrees_with_the_minute_by_minute_oracle(rules: list[Rule], zone: str) -> None:
    schedule = Schedule.parse(_text(rules), zone)
    inside = _minutes_of_week(rules)
    here = ZoneInfo(zone)
    at = datetime(2026, 3, 27, tzinfo=UTC)  # clocks change in Berlin on the 29th
    for _ in range(4 * 1440 // 7):
        local = at.astimezone(here)
        minute = local.weekday() * 1440 + local.hour * 60 + local.minute
        assert schedule.active(at) == (minute in inside), (schedule.text, local)
        at += timedelta(minutes=7, seconds=1)


@given(rules=rules, minute=st.integers(0, 7 * 1440 - 1))
def test_each_minute_of_a_week(rules: list[Rule], minute: int) -> None:
    monday = datetime(2026, 5, 4, tzinfo=UTC)
    at = monday + timedelta(minutes=minute, seconds=minute % 60)
    assert Schedule.parse(_text(rules)).active(at) == (minute in _minutes_of_week(rules))


@pytest.mark.parametrize(
    ("text", "at", "active"),
    [
        (None, "2026-05-01T03:00+08:00", True),
        ("24/7", "2026-05-01T03:00+08:00", True),
        ("Mo-Fr 08:00-20:00; Sa,Su 09:00-12:00", "2026-05-01T08:00+08:00", True),  # a Friday
        ("Mo-Fr 08:00-20:00; Sa,Su 09:00-12:00", "2026-05-01T20:00+08:00", False),
        ("Mo-Fr 08:00-20:00; Sa,Su 09:00-12:00", "2026-05-01T11:59:59Z", True),
        ("Mo-Fr 08:00-20:00; Sa,Su 09:00-12:00", "2026-05-02T08:59+08:00", False),
        ("Fr 22:00-02:00", "2026-05-02T01:59+08:00", True),
        ("Fr 22:00-02:00", "2026-05-02T02:00+08:00", False),
        ("Fr 22:00-02:00", "2026-05-01T01:00+08:00", False),
        ("Su 22:00-02:00", "2026-05-04T01:00+08:00", True),  # runs into Monday
        ("Sa-Mo", "2026-05-04T15:00+08:00", True),
        ("Sa-Mo", "2026-05-05T15:00+08:00", False),
        ("08:00-12:00,14:00-18:00", "2026-05-05T13:00+08:00", False),
        ("08:00-12:00, 14:00-18:00", "2026-05-05T14:00+08:00", True),
        ("Mo-Su 08:00-20:00; Fr off", "2026-05-01T10:00+08:00", False),
        ("mo-su 8:00-24:00;", "2026-05-01T23:59+08:00", True),
    ],
)
def test_examples(text: str | None, at: str, active: bool) -> None:
    assert Schedule.parse(text, "Asia/Shanghai").active(datetime.fromisoformat(at)) is active


@pytest.mark.parametrize(
    ("utc", "active"),
    [
        ("2026-10-25T00:30+00:00", True),  # 02:30 summer time in Berlin
        ("2026-10-25T01:30+00:00", True),  # 02:30 again, winter time
        ("2026-10-25T02:00+00:00", False),  # 03:00
        ("2026-03-29T00:59+00:00", False),  # 01:59; the hour from 02:00 is skipped
        ("2026-03-29T01:00+00:00", False),  # 03:00
    ],
)
def test_clock_changes(utc: str, active: bool) -> None:
    schedule = Schedule.parse("02:00-03:00", "Europe/Berlin")
    assert schedule.active(datetime.fromisoformat(utc)) is active


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the schedule is empty"),
        ("Mon 08:00-12:00", "'Mon' is no day; did you mean Mo"),
        ("PH off", "holidays"),
        ("Mo 8-12", "'8-12' is no range of times; write 08:00-20:00"),
        ("Mo 08:00-26:00", "beyond 24:00"),
        ("Mo 08:61-12:00", "beyond 24:00"),
        ("Mo 08:00-08:00", "has no length"),
        ("Mo-We-Fr 08:00-09:00", "too many dashes"),
        ("Mo 08:00-09:00;;Tu", "between two semicolons"),
        ("Mo; 24/7", "must be the only rule"),
        ("off", "has no hours"),
        ("Mo 08:00-09:00 Tu", "is no range"),
        ("!", "is no rule"),
        ("08:00-12:00,", "is no range"),
        ("Mo, 08:00-12:00", "is no day"),
    ],
)
def test_malformed_schedules(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Schedule.parse(text)


def test_time_zones_are_needed() -> None:
    with pytest.raises(ScheduleError, match="'Asia/Ningbo' is no time zone"):
        Schedule.parse("24/7", "Asia/Ningbo")
    with pytest.raises(ScheduleError, match="has no time zone"):
        Schedule.parse("24/7").active(datetime(2026, 5, 1))


@pytest.mark.parametrize(
    ("name", "utc", "active"),
    [
        ("UTC+08:00", "2026-05-01T00:30:00", True),
        ("UTC+08:00", "2026-04-30T23:30:00", False),
        ("UTC-03:30", "2026-05-01T11:30:00", True),
        ("UTC-03:30", "2026-05-01T11:29:00", False),
    ],
)
def test_a_fixed_offset_is_a_time_zone(name: str, utc: str, active: bool) -> None:
    schedule = Schedule.parse("08:00-20:00", name)
    assert schedule.active(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is active


@pytest.mark.parametrize("name", ["UTC+8", "UTC+24:00", "UTC+08:60", "+08:00", ""])
def test_other_offsets_are_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match="is no time zone"):
        Schedule.parse("24/7", name)


@pytest.mark.parametrize(
    ("local", "active"),
    [
        ("2026-08-31T23:59:00", False),
        ("2026-09-01T00:30:00", False),  # of the night before the first day
        ("2026-09-01T22:00:00", True),
        ("2026-09-30T22:00:00", True),
        ("2026-10-01T01:59:00", True),  # of the last day's night
        ("2026-10-01T22:00:00", False),
    ],
)
def test_a_zone_may_be_watched_between_two_days_only(local: str, active: bool) -> None:
    nights = Schedule.parse("22:00-02:00", "Asia/Shanghai")
    season = nights.between(date(2026, 9, 1), date(2026, 9, 30))
    assert season.active(datetime.fromisoformat(f"{local}+08:00")) is active
    assert nights.between(None, None) == nights
