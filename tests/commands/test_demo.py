"""The README's first command, in an existing environment."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cv_engine.evidence.verify import verify

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_ends_with_a_case_and_its_evidence(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), "demo", "--data", "demo", "--format", "jsonl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "cannot be downloaded" in done.stderr:
        pytest.skip("no source of the photograph or the weights is reached from here")
    assert done.returncode == 0, done.stderr
    case, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert (case["kind"], case["zone"]) == ("motor_vehicle_parked", "no-stopping")
    assert case["attributes"]["vehicle"] == "bus"
    assert (summary["cases_new"], summary["cases_known"]) == (1, 0)
    (package,) = (tmp_path / "demo" / "evidence").iterdir()
    assert verify(package) == []
    assert {path.name for path in (package / "shareable").iterdir()} == {
        f"{view}-{role}.jpg"
        for view in ("overview", "closeup")
        for role in ("start", "between", "limit", "end")
    }
    _check_durations(case, json.loads((package / "manifest.json").read_bytes()))
    assert "cases confirm 1" in done.stderr
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout.splitlines()[-1])["cases_new"] == 0


def _check_durations(case: dict[str, Any], manifest: dict[str, Any]) -> None:
    """The case, the manifest and the pictures say one thing of when the bus stood there."""
    finding, times = manifest["finding"], {}
    for file in manifest["files"]:
        if "time" in file:
            times[file["role"]] = datetime.fromisoformat(file["time"])
    began, observed = (datetime.fromisoformat(finding[name]) for name in ("began", "observed"))
    assert (case["began"], case["observed"]) == (case["began"], case["gone_at"])
    assert datetime.fromisoformat(case["began"]) == began
    assert datetime.fromisoformat(case["gone_at"]) == observed
    assert times["end"] == observed, "the last picture shows when the bus was last seen"
    assert (times["limit"] - began).total_seconds() >= finding["attributes"]["limit_s"] == 20
    (clip,) = manifest["clips"]
    titles = [chapter["title"] for chapter in clip["chapters"]]
    assert titles == ["before", "stay begins", "limit reached", "last seen"]
    begins, over, last = [chapter["start_s"] for chapter in clip["chapters"][1:]]
    assert over - begins == pytest.approx(20)
    assert last - begins == pytest.approx((observed - began).total_seconds())
