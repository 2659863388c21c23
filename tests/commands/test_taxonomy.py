"""`cv-engine taxonomy`: a city's classes and working calendar, checked and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases.dispatch.made import feature, square
from tests.commands.program import run_program

_CITY = """\
version: "1"
default_standard: City
standards:
  - id: City
    digits: 3
    major_digits: 1
    provisional: false
    provenance: the gazette
    majors: {"4": {name: streets, name_zh: 街面}}
  - {id: Old, digits: 2, provisional: true, provenance: hearsay}
classes:
  - kind: clutter
    name: clutter
    name_zh: 乱堆杂物
    codes: {City: "407", Old: "07"}
    department: sanitation
    limits: {handle: 1 working day}
    urgent_limits: {handle: 4 hours}
"""
_CITY_HALL = "departments: [{id: sanitation, name: sanitation office, teams: [north]}]\n"
_OFFICE = "timezone: Asia/Shanghai\noffice_hours: {monday: [09:00-17:00]}\n"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A folder with a city's files and a configuration that names them."""
    (tmp_path / "t.yaml").write_text(_CITY, encoding="utf-8")
    (tmp_path / "c.yaml").write_text(_OFFICE)
    (tmp_path / "o.yaml").write_text(_CITY_HALL)
    files = "taxonomy: t.yaml, calendar: c.yaml, organisation: o.yaml"
    (tmp_path / "config.yaml").write_text(f"cases: {{{files}}}\n")
    return tmp_path


def test_the_packaged_taxonomy_is_usable(tmp_path: Path) -> None:
    done = run_program(tmp_path, "taxonomy", "check")
    assert (done.returncode, done.stdout) == (0, "")
    assert "the packaged taxonomy: 21 classes, no problem found" in done.stderr
    assert "warning" not in done.stderr


def test_the_citys_files_are_those_of_the_configuration(city: Path) -> None:
    done = run_program(city, "taxonomy", "check", "--config", "config.yaml")
    assert done.returncode == 0
    assert "t.yaml: 1 classes, no problem found" in done.stderr
    assert "no class for motor_vehicle_parked, non_motor_vehicle_parked, non_m" in done.stderr


def test_every_problem_of_all_files_is_reported_with_its_line(city: Path) -> None:
    (city / "t.yaml").write_text(_CITY.replace("1 working day}", "soon}"), encoding="utf-8")
    (city / "c.yaml").write_text(_OFFICE.replace("Asia/Shanghai", "Mars"))
    (city / "o.yaml").write_text(f"{_CITY_HALL}officers: [{{name: Li, department: parks}}]\n")
    options = ("--calendar", "c.yaml", "--organisation", "o.yaml")
    done = run_program(city, "taxonomy", "check", "t.yaml", *options)
    assert done.returncode == 2
    assert "error t.yaml:17: classes[0].limits.handle: 'soon' is no time limit" in done.stdout
    assert "error c.yaml:1: timezone: 'Mars' is no time zone" in done.stdout
    assert "error o.yaml:2: officers[0].department: there is no department 'p" in done.stdout


def test_a_department_that_only_one_of_the_files_has_is_reported(city: Path) -> None:
    (city / "t.yaml").write_text(_CITY.replace(": sanitation\n", ": parks\n"), encoding="utf-8")
    done = run_program(city, "taxonomy", "check", "--config", "config.yaml", "--format", "jsonl")
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, Path(row["file"]).name, row["line"]) == (2, "t.yaml", 16)
    assert row["problem"].startswith("classes[0].department: 'parks' is not among the departments")
    dispatched = run_program(city, "cases", "dispatch", "1", "--config", "config.yaml")
    assert dispatched.returncode == 2
    assert "t.yaml:16: classes[0].department: 'parks' is not among" in dispatched.stderr
    alone = run_program(city, "taxonomy", "check", "t.yaml", "--calendar", "c.yaml")
    assert alone.returncode == 0, "without an organisation, any name is right"


def test_areas_are_checked_with_the_taxonomy(city: Path) -> None:
    (city / "o.yaml").write_text(f"{_CITY_HALL}areas: areas.geojson\n")
    area = feature(square(121.0, 29.0), name="Old Town", kinds=["parking"])
    (city / "areas.geojson").write_text(json.dumps(area))
    done = run_program(city, "taxonomy", "check", "--config", "config.yaml")
    assert done.returncode == 2
    assert "areas.geojson" in done.stderr
    assert "parking" in done.stderr


def test_limits_in_working_time_need_a_calendar(city: Path) -> None:
    done = run_program(city, "taxonomy", "check", "t.yaml")
    assert done.returncode == 2
    assert "'clutter' has the limit 1 working day, and no calendar says when" in done.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = run_program(tmp_path, "taxonomy", "check", "none.yaml")
    assert done.returncode == 2
    assert "none.yaml: there is no such file; correct the path" in done.stdout
    done = run_program(tmp_path, "taxonomy", "show", "none.yaml")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_classes_are_shown_with_major_department_and_limits(city: Path) -> None:
    done = run_program(city, "taxonomy", "show", "--config", "config.yaml")
    assert done.returncode == 0
    for shown in ("4 streets 街面", "407", "乱堆杂物", "sanitation", "handle 4 hours, urgent"):
        assert shown in done.stdout
    assert "City: the gazette" in done.stderr
    done = run_program(
        city,
        "taxonomy",
        "show",
        "--config",
        "config.yaml",
        "--standard",
        "Old",
        "--format",
        "jsonl",
    )
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["code"], row["provisional"]) == ("07", True)
    assert row["department_name"] == "sanitation office"
    assert (row["limits"], row["urgent_limits"]) == (
        {"handle": "1 working day"},
        {"handle": "4 hours"},
    )


def test_provisional_codes_are_said_to_be_so(tmp_path: Path) -> None:
    done = run_program(tmp_path, "taxonomy", "show")
    assert "GB/T 47678.5-2026: codes from secondary copies, provisional" in done.stderr


def test_a_code_is_translated_to_another_standard(tmp_path: Path) -> None:
    words = ("taxonomy", "crosswalk", "CJ/T 214", "0202", "GB/T 47678.5-2026")
    done = run_program(tmp_path, *words, "--format", "jsonl")
    assert [json.loads(line)["code"] for line in done.stdout.splitlines()] == ["07006", "07007"]


@pytest.mark.parametrize(
    ("standard", "code", "expected"),
    [
        ("CJ/T 214", "9999", "9999 of CJ/T 214 has no class in GB/T 47678.5-2026"),
        ("DIN 1", "1", "the taxonomy has no standard 'DIN 1'; known: GB/T 47678.5-2026"),
    ],
)
def test_a_code_that_cannot_be_translated_is_wrong_input(
    standard: str, code: str, expected: str, tmp_path: Path
) -> None:
    done = run_program(tmp_path, "taxonomy", "crosswalk", standard, code, "GB/T 47678.5-2026")
    assert done.returncode == 2
    assert expected in done.stderr
