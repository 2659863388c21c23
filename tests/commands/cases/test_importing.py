from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import open_queue
from tests.commands.program import run_program

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(run_program, tmp_path, "cases", "file", "--data", "data")


def _line(number: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "kind": "clutter",
        "source": f"drone-{number}",
        "zone": "harbour",
        "began": "2026-05-01T08:00:00+08:00",
        "observed": "2026-05-01T08:05:00+08:00",
        "confidence": 0.8,
        "geometry": {"type": "Point", "coordinates": [121.55, 29.87 + number / 100]},
        "accuracy_m": 3.0,
        "basis": "homography",
        **more,
    }


def _write(path: Path, *lines: Any) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_every_finding_becomes_a_case_once(run: Run, tmp_path: Path) -> None:
    lines = [_line(number) for number in range(70)]
    twice = _line(3, source="another", attributes={"dwell_s": 300.0})  # the same thing
    _write(tmp_path / "found.jsonl", *lines, twice)
    done = run("found.jsonl", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    told = list(map(json.loads, done.stdout.splitlines()))
    assert [row["line"] for row in told] == list(range(1, 72))
    assert told[70] == {"file": "found.jsonl", "line": 71, "case_id": 4, "outcome": "joined"}
    assert done.stderr == "found.jsonl: 70 new, 1 joined\n"
    assert run("found.jsonl").stderr == "found.jsonl: 71 known\n"
    with open_queue(tmp_path / "data" / "queue.db") as queue:
        assert queue.count() == 70
        assert queue.get(1).confidence == 0.8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "piano"}, "line 2: kind 'piano' is not in the taxonomy"),
        ({"confidence": 2}, "line 2: confidence 2.0 is not within 0 to 1"),
        ({"began": "2026-05-01T08:00:00"}, "line 2: began has no time zone"),
        ({"observed": "2026-05-01T07:00:00+08:00"}, "line 2: observed lies before began"),
        ({"speed": 3}, "line 2: Object contains unknown field `speed`"),
        ({"basis": "guess"}, r"line 2: Invalid enum value 'guess'"),
        (
            {"geometry": {"type": "Point", "coordinates": [500, 0]}},
            "longitude, latitude in degrees",
        ),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_filed(
    run: Run, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    _write(tmp_path / "found.jsonl", _line(), _line(1, **wrong))
    done = run("found.jsonl")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    with open_queue(tmp_path / "data" / "queue.db") as queue:
        assert queue.count() == 0


def test_files_that_cannot_be_read_are_named(run: Run, tmp_path: Path) -> None:
    assert "absent.jsonl" in run("absent.jsonl").stderr
    (tmp_path / "broken.jsonl").write_text('{"kind":\n')
    done = run("broken.jsonl")
    assert (done.returncode, "broken.jsonl, line 1" in done.stderr) == (2, True)
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert run("empty.jsonl").stderr == "empty.jsonl: no finding\n"
