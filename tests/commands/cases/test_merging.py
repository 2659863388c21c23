"""The commands that merge and split cases, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import State, open_queue
from tests.cases.dispatch.made import write_city
from tests.cases.made import NEXT_BOX, finding
from tests.commands.program import run_program

Run = Callable[..., Any]
_CAR, _BIKE = finding(evidence="car"), finding(10, 400, box=NEXT_BOX)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command on a data folder with two cases of one kind and one of another."""
    with open_queue(tmp_path / "queue.db") as queue:
        for each in (_CAR, _BIKE, finding(kind="clutter")):
            queue.file(each)
    return partial(run_program, tmp_path)


def _rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_cases_are_merged_and_taken_apart_again(run: Run, tmp_path: Path) -> None:
    form = ("--data", tmp_path, "--format", "jsonl")
    done = run("cases", "merge", 2, "--into", 1, "--by", "Li", "--note", "one pile", *form)
    assert [row["id"] for row in _rows(done.stdout)] == [1]
    found = _rows(run("cases", "findings", 1, *form).stdout)
    assert [row["key"] for row in found] == [_CAR.key, _BIKE.key]
    assert (found[0]["source"], found[0]["evidence"]) == ("market-street", "car")
    done = run("cases", "split", 1, _BIKE.key, "--by", "Li", *form)
    assert [row["id"] for row in _rows(done.stdout)] == [1, 4]
    with open_queue(tmp_path / "queue.db") as queue:
        assert queue.get(2).state is State.MERGED
        assert (queue.history(4)[0].by, queue.history(1)[1].note) == ("Li", "one pile")


@pytest.mark.parametrize("args", [("merge", 2, "--into", 1), ("split", 1, _BIKE.key)])
def test_only_officers_of_the_organisation_merge_and_split(
    run: Run, tmp_path: Path, args: tuple[object, ...]
) -> None:
    write_city(tmp_path)
    (tmp_path / "city.yaml").write_text("cases: {organisation: organisation.yaml}")
    options = ("--by", "Mallory", "--data", tmp_path, "--config", "city.yaml")
    done = run("cases", *args, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Mallory is not an officer" in done.stderr


def test_the_findings_of_a_case_are_listed_for_people(run: Run, tmp_path: Path) -> None:
    done = run("cases", "findings", 1, "--data", tmp_path)
    assert _CAR.key in done.stdout
    run("cases", "merge", 2, "--into", 1, "--data", tmp_path)
    done = run("cases", "findings", 2, "--data", tmp_path)
    assert "merged into" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("merge", 1, "--into", 3), "only cases of one kind can be one problem"),
        (("merge", 1, "--into", 1), "cannot be merged into itself"),
        (("merge", 1), "--into"),
        (("split", 1, "abc"), "case 1 has no finding abc"),
        (("split", 1, _CAR.key), "all findings are named"),
        (("split", 77, "abc"), "there is no case 77"),
        (("findings", 77), "there is no case 77"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, tmp_path: Path, args: tuple[object, ...], words: str
) -> None:
    done = run("cases", *args, "--data", tmp_path)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
