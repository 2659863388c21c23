"""The steps of the process as an officer at a terminal takes them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from cv_engine.cases import Action, Assignment, open_queue
from cv_engine.finding import CAMERA_BLIND
from tests.cases.dispatch.made import CITY, city, write_city
from tests.cases.made import finding, located
from tests.commands.program import run_program
from tests.commands.test_cli import ROOT
from tests.evidence.media.photos import exif_of, photo

Run = Callable[..., subprocess.CompletedProcess[str]]
_LONGEST_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration of a city, and a queue of three cases."""
    organisation = city(tmp_path)
    settings = {"data": "data", "cases": {"organisation": "organisation.yaml"}}
    (tmp_path / "city.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "after.jpg").write_bytes(photo(exif=exif_of()))
    with open_queue(tmp_path / "data/queue.db", organisation=organisation) as queue:
        queue.file(located(121.5, 29.5))
        queue.file(located(121.1, 29.1, 1000, 1100))
        queue.file(finding(2000, 2300, kind="clutter", source="yard"))
    return tmp_path


@pytest.fixture
def cases(folder: Path) -> Run:
    """Run a command of ``cases`` as the officer Li Wei, unless another is named."""

    def run(*arguments: object, by: str | None = "Li Wei") -> subprocess.CompletedProcess[str]:
        named = () if by is None else ("--by", by)
        return run_program(folder, "cases", *arguments, *named, "--config", "city.yaml")

    return run


def _row(run: Run, number: int) -> dict[str, Any]:
    (line,) = run("show", number, "--format", "jsonl", by=None).stdout.splitlines()
    row = json.loads(line)
    assert isinstance(row, dict)
    return row


def _to(run: Run, number: int, *verbs: str) -> None:
    for verb in verbs:
        done = run(verb, number)
        assert done.returncode == 0, done.stderr


def test_a_case_goes_from_the_report_to_its_closing(folder: Path, cases: Run) -> None:
    _to(cases, 1, "confirm", "dispatch")
    done = cases("handle", 1, "--note", "towed", "--photo", "after.jpg")
    assert done.returncode == 0, done.stderr
    done = cases("verify", 1)
    assert done.returncode == 0, done.stderr
    assert "case 1: market-street: not seen since 2026-05-01 00:05:00+00:00" in done.stderr
    assert cases("close", 1).returncode == 0
    row = _row(cases, 1)
    assert (row["state"], row["outcome"], row["version"]) == ("closed", "handled", 6)
    assert (row["department"], row["team"], row["area"]) == ("street", "north", "Market Street")
    handled = row["history"][3]
    assert (handled["by"], handled["role"], handled["note"]) == ("Li Wei", "officer", "towed")
    package = handled["data"]["evidence"]
    assert row["folders"] == [str(folder / "data/evidence" / package)]
    done = run_program(folder, "evidence", "verify", f"data/evidence/{package}")
    assert done.stdout.startswith(f"intact data/evidence/{package} (case 1)\n  sealed ")
    sheet = cases("show", 1, by=None).stdout
    assert "with\tstreet, north" in sheet
    assert "state to closed by Li Wei (officer)" in sheet


def test_changed_photos_are_noticed(folder: Path, cases: Run) -> None:
    assert cases("note", 1, "--photo", "after.jpg").returncode == 0
    (package,) = (folder / "data/evidence").glob("case-1-noted-1-*")
    with (package / "original/photo-1.jpg").open("ab") as file:
        file.write(b"x")
    done = run_program(folder, "evidence", "verify", package)
    assert done.returncode == 1
    assert done.stdout.startswith(f"CHANGED {package} (case 1)")
    copy = package.rename(package.with_name("case-9-noted-1-0123456789abcdef"))
    done = run_program(folder, "evidence", "verify", copy)
    assert "the queue names no such note: the package belongs to no case" in done.stdout


def test_a_file_that_is_no_photo_changes_nothing(folder: Path, cases: Run) -> None:
    _to(cases, 1, "confirm", "dispatch")
    (folder / "notes.jpg").write_text("towed at ten")
    done = cases("handle", 1, "--photo", "after.jpg", "--photo", "notes.jpg")
    assert done.returncode == 2
    assert "notes.jpg: this is no photo; give JPEG or PNG files" in done.stderr
    assert _row(cases, 1)["state"] == "dispatched"
    assert not (folder / "data/evidence").exists()


def test_what_the_camera_saw_after_the_handling_stands_in_the_way(folder: Path, cases: Run) -> None:
    _to(cases, 3, "confirm")
    assert cases("dispatch", 3, "--to", "sanitation office").returncode == 0
    _to(cases, 3, "handle")
    with open_queue(folder / "data/queue.db") as queue:
        handled = queue.get(3).result.handled_at
        assert handled is not None
        queue.seen(queue.get(3).key, handled + timedelta(minutes=20))
    done = cases("verify", 3)
    assert done.returncode == 2
    assert "20 min 0 s after the case was handled" in done.stderr
    assert "return it for rework" in done.stderr
    assert cases("return", 3, "--reason", "not_remedied").returncode == 0
    row = _row(cases, 3)
    assert (row["state"], row["history"][-1]["data"]["reason"]) == ("dispatched", "not_remedied")


def test_a_blind_camera_is_said_to_be_blind(folder: Path, cases: Run) -> None:
    _to(cases, 1, "confirm", "dispatch", "handle")
    with open_queue(folder / "data/queue.db") as queue:
        queue.file(finding(5000, 6000, kind=CAMERA_BLIND, zone="camera"))
    done = cases("verify", 1)
    assert done.returncode == 0
    assert "blind since 2026-05-01 01:23:20+00:00: look at the place itself" in done.stderr


def test_a_stranger_and_a_viewer_decide_nothing(cases: Run) -> None:
    done = cases("confirm", 1, by="Mallory")
    assert done.returncode == 2
    assert "Mallory is not an officer of" in done.stderr
    done = cases("confirm", 1, by="Guest")
    assert done.returncode == 2
    assert "Guest may not confirm case 1: it takes the role officer" in done.stderr
    done = cases("extend", 1, "--due", "2099-01-01T00:00:00Z")
    assert "Li Wei may not extend case 1: it takes the role supervisor" in done.stderr
    assert _row(cases, 1)["version"] == 1


def test_without_an_organisation_who_is_logged_in_may_do_everything(folder: Path) -> None:
    run = partial(run_program, folder, "cases")
    done = run("extend", 1, "--due", "2099-01-01T00:00:00Z", "--data", "data", "--reason", "rain")
    assert done.returncode == 0, done.stderr
    shown = run("list", "--data", "data", "--format", "jsonl")
    (row,) = (row for row in map(json.loads, shown.stdout.splitlines()) if row["id"] == 1)
    assert row["due_at"] == "2099-01-01T00:00:00Z"
    assert run("withdraw", 1, "--reason", "a test", "--data", "data").returncode == 0


@pytest.mark.parametrize(
    ("reason", "kept", "note"),
    [
        ("permitted", "permitted", ""),
        ("Already Gone", "already_gone", ""),
        ("已获许可", "permitted", ""),
        ("a market day", None, "a market day"),
    ],
)
def test_a_reason_is_one_of_the_taxonomys_or_a_text(
    cases: Run, reason: str, kept: str | None, note: str
) -> None:
    assert cases("reject", 1, "--reason", reason).returncode == 0
    row = _row(cases, 1)
    assert (row["reason"], row["history"][-1]["note"]) == (kept, note)


def test_a_reason_for_another_step_is_refused(cases: Run) -> None:
    done = cases("reject", 1, "--reason", "weather")
    assert done.returncode == 2
    assert "the reason weather is not for reject; known: no_violation, permitted" in done.stderr
    assert "give a reason" in cases("reject", 1).stderr


def test_a_case_that_changed_meanwhile_is_left_alone(cases: Run) -> None:
    _to(cases, 1, "confirm")
    done = cases("dispatch", 1, "--if-version", 1)
    assert done.returncode == 2
    assert "version 1, now 2): confirmed by Li Wei" in done.stderr
    assert cases("dispatch", 1, "--if-version", 2).returncode == 0


def test_an_assignment_completes_the_present_one(cases: Run) -> None:
    assert cases("assign", 1, "--officer", "Li Wei").returncode == 0
    assert _who(cases, 1) == ("street", "north", "Li Wei"), "who is responsible"
    assert cases("assign", 1, "--team", "south").returncode == 0
    assert _who(cases, 1) == ("street", "south", None)
    assert cases("assign", 1, "--to", "sanitation").returncode == 0
    assert _who(cases, 1) == ("sanitation", None, None)
    done = cases("assign", 3, "--officer", "Li Wei")
    assert "case 3 has no department, and none is responsible: name one" in done.stderr


def _who(run: Run, number: int) -> tuple[str | None, str | None, str | None]:
    row = _row(run, number)
    return row["department"], row["team"], row["officer"]


def test_a_deferred_case_waits_and_is_resumed(cases: Run) -> None:
    _to(cases, 1, "confirm")
    done = cases(
        "defer", 1, "--until", "2099-01-01T00:00:00Z", "--reason", "weather", by="Chen Jie"
    )
    assert done.returncode == 0, done.stderr
    assert "deferred until" in cases("show", 1, by=None).stdout
    assert cases("resume", 1).returncode == 0
    assert _row(cases, 1)["state"] == "confirmed"


def test_several_cases_each_succeed_or_fail_alone(cases: Run) -> None:
    _to(cases, 2, "confirm")
    done = cases("confirm", 1, 2, 77, 3, "--format", "jsonl")
    assert done.returncode == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["id"], row.get("state")) for row in rows] == [
        (1, "confirmed"),
        (3, "confirmed"),
        (2, None),
        (77, None),
    ]
    assert "case 2 is confirmed" in rows[2]["error"]
    assert "case 77: there is no case 77" in done.stderr
    assert "2 cases changed, 2 not changed" in done.stderr
    done = cases("confirm", 1, 2)
    assert done.returncode == 2, "nothing could be done"


def test_a_filter_selects_the_cases_that_can_take_the_step(cases: Run) -> None:
    _to(cases, 2, "confirm")
    done = cases("confirm", "--camera", "market-street", "--yes", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1]
    done = cases("confirm", "--camera", "market-street", "--yes")
    assert done.returncode == 0
    assert "no cases to confirm; 2 more cannot take the step confirm" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("confirm",), "which cases? Name numbers"),
        (("confirm", 1, "--kind", "clutter"), "by their numbers or select them by options, not"),
        (
            ("confirm", "--kind", "clutter"),
            "confirm 1 case: there is no terminal to ask at; add --yes",
        ),
        (("confirm", 1, 2, "--if-version", 3), "--if-version is for one case"),
        (("dispatch", 1, "--team", "north"), "with --to; nothing was changed"),
        (("assign", 1), "say who gets the cases"),
        (("defer", 1, "--until", "monday"), "--until monday: not a time"),
        (("priority", 1, "--to", "now"), "no priority 'now'"),
        (("confirm", "--state", "lost", "--yes"), "there is no state 'lost'"),
    ],
)
def test_wrong_input_changes_nothing(cases: Run, arguments: tuple[object, ...], said: str) -> None:
    done = cases(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert [_row(cases, number)["version"] for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, "confirmed"), ("n", 1, "reported")])
def test_a_person_at_a_terminal_is_asked_with_the_count_and_the_first_cases(
    folder: Path, cases: Run, answer: str, code: int, state: str
) -> None:
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "cases",
        "confirm",
        "--camera",
        "market-street",
    ]
    terminal, stdin = pty.openpty()
    try:
        process = subprocess.Popen(
            [*command, "--by", "Li Wei", "--config", "city.yaml"],
            cwd=folder,
            env={**os.environ, "COLUMNS": "120"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(terminal, f"{answer}\n".encode())
        _, said = process.communicate(timeout=_LONGEST_S)
    finally:
        os.close(terminal)
        os.close(stdin)
    assert process.returncode == code, said
    assert "confirm 2 cases?" in said
    assert "motor_vehicle_parked" in said
    assert [_row(cases, number)["state"] for number in (1, 2)] == [state, state]


def test_lists_are_narrowed_to_who_has_to_act(folder: Path, cases: Run) -> None:
    with open_queue(folder / "data/queue.db") as queue:
        queue.confirm(1, "Li Wei")
        queue.move(1, Action.DISPATCH, "Li Wei", to=Assignment("street", "north", "Li Wei"))

    def numbers(*options: object) -> list[int]:
        done = cases("list", *options, "--format", "jsonl", by=None)
        return [json.loads(line)["id"] for line in done.stdout.splitlines()]

    assert numbers("--department", "street", "--team", "north") == [1]
    assert numbers("--officer", "Li Wei") == [1]
    assert numbers("--officer", "Chen Jie") == numbers("--overdue") == []
    done = cases("extend", 2, "--due", "2099-01-01T00:00:00Z", by="Chen Jie")
    assert done.returncode == 0, done.stderr
    shown = cases("list", by=None).stdout
    assert "street, north, Li Wei" in shown
    assert re.search(r"in \d+ d", shown), "days that are left"


def test_an_organisation_with_errors_stops_a_change_and_not_a_list(
    folder: Path, cases: Run
) -> None:
    write_city(folder, CITY.replace("team: north", "team: west"))
    done = cases("confirm", 1)
    assert done.returncode == 2
    assert "organisation.yaml:5: officers[0].team: street has no team 'west'" in done.stderr
    assert cases("list", by=None).returncode == 0
