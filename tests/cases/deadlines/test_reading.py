from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.deadlines import calendar_problems, load_calendar
from cv_engine.cases.taxonomy import TimeLimit
from tests.cases.deadlines.made import at

_WHOLE = """\
timezone: Asia/Shanghai
country: CN
office_hours:
  monday: &day ["08:30-12:00", "13:30-17:30"]
  tuesday: *day
  wednesday: *day
  thursday: *day
  friday: ["08:30-12:00"]
holidays:
  - 2026-05-20
  - 2026-06-01/2026-06-03
working_days:
  2026-05-23: friday
"""
_SHORT = "timezone: UTC\noffice_hours: {monday: [09:00-17:00]}\n"


def _file(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("start", "due"),
    [
        ("2026-05-19 09:00", "2026-05-21 17:30"),
        ("2026-05-22 09:00", "2026-05-23 12:00"),
        ("2026-05-29 09:00", "2026-06-04 17:30"),
        ("2026-09-30 09:00", "2026-10-08 17:30"),
        ("2026-10-09 09:00", "2026-10-10 17:30"),
    ],
)
def test_a_citys_days_and_those_of_its_country_are_read(
    start: str, due: str, tmp_path: Path
) -> None:
    calendar = load_calendar(_file(tmp_path, _WHOLE))
    assert calendar.due(at(start), TimeLimit.parse("1 working day")) == at(due)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timezone: UTC\n", "c.yaml:1: office_hours: missing"),
        ("timezone: Mars\noffice_hours: {monday: [09:00-17:00]}", "c.yaml:1: timezone: 'Mars' is"),
        ("timezone: UTC\noffice_hours: {}", "c.yaml:2: office_hours: no weekday has office hours"),
        (
            "timezone: UTC\noffice_hours:\n  monday: [09:00-17:00]\n  tuseday: [09:00-17:00]",
            "c.yaml:4: office_hours.tuseday: unknown key; did you mean tuesday?",
        ),
        (
            "timezone: UTC\noffice_hours: {monday: 09:00-17:00}",
            "c.yaml:2: office_hours.monday: '09:00-17:00' is not a list",
        ),
        (
            "timezone: UTC\noffice_hours: {monday: [9-17]}",
            "c.yaml:2: office_hours.monday[0]: '9-17' are no office hours; write them as",
        ),
        (
            "timezone: UTC\noffice_hours: {monday: [17:00-09:00]}",
            "c.yaml:2: office_hours.monday[0]: the office hours 17:00-09:00 do not end after",
        ),
        (
            "timezone: UTC\noffice_hours: {monday: [13:00-17:00, 09:00-12:00]}",
            "c.yaml:2: office_hours.monday: 09:00-12:00 begins before 13:00-17:00 ends",
        ),
        (f"{_SHORT}holidays: [1 May]", "c.yaml:3: holidays[0]: '1 May' is no date; write it as"),
        (f"{_SHORT}holidays: [2026-02-30]", "c.yaml:3: holidays[0]: '2026-02-30' is no date"),
        (
            f"{_SHORT}holidays: [2026-05-03/2026-05-01]",
            "c.yaml:3: holidays[0]: '2026-05-03/2026-05-01' does not run from a date to a later",
        ),
        (
            f"{_SHORT}holidays: [2026-05-03/2062-05-04]",
            "c.yaml:3: holidays[0]: '2026-05-03/2062-05-04' does not run from a date to a later",
        ),
        (
            f"{_SHORT}working_days: {{2026-05-09: fri}}",
            "c.yaml:3: working_days.2026-05-09: 'fri' is not one of monday, tuesday",
        ),
        (
            f"{_SHORT}working_days: {{9 May: friday}}",
            "c.yaml:3: working_days.9 May: '9 May' is no date; write it as 2026-10-01",
        ),
        (
            f"{_SHORT}holidays: [2026-05-08/2026-05-10]\nworking_days: {{2026-05-09: friday}}",
            "c.yaml:3: holidays[0]: 2026-05-09 is also among the working_days; remove it from",
        ),
        (f"{_SHORT}country: XX", "c.yaml:3: country: the public holidays of 'XX' are not known"),
        (
            f"{_SHORT}country: DE\nsubdivision: ZZ",
            "c.yaml:4: subdivision: DE has no subdivision 'ZZ' with holidays of its own; known: BB",
        ),
        (f"{_SHORT}subdivision: BY", "c.yaml:3: subdivision: stands without a country"),
    ],
)
def test_a_wrong_calendar_is_explained_with_file_line_and_key(
    text: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(QueueError) as caught:
        load_calendar(_file(tmp_path, text))
    (problem,) = str(caught.value).replace(f"{tmp_path}/", "").split("\n")
    assert problem.startswith(expected)


def test_all_problems_of_a_calendar_are_reported_at_once(tmp_path: Path) -> None:
    text = "timezone: Mars\nholidays: [May]\noffice_hours: {monday: [9]}\nhours: 3\n"
    assert [each.line for each in calendar_problems(_file(tmp_path, text))] == [1, 2, 3, 4]
    assert calendar_problems(_file(tmp_path, _WHOLE)) == ()


@pytest.mark.parametrize("text", ["", "[]", "3", "timezone:\noffice_hours:\n"])
def test_a_file_of_something_else_ends_in_a_message(text: str, tmp_path: Path) -> None:
    assert calendar_problems(_file(tmp_path, text))
