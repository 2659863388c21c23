"""What `cv-engine analyze` ends with: where the cases are, or why there are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.commands.program import Done, run_program
from tests.video.recordings import record, times

Run = Callable[..., Done]
START = ("--start", "2026-05-01T08:00:00+08:00")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(run_program, tmp_path)


def test_a_run_with_cases_ends_by_saying_where_to_look(
    run: Run, tmp_path: Path, shared_data: Path
) -> None:
    config = tmp_path / "cv-engine.yaml"
    config.write_text("data: data\nrules: {clutter: {dwell_s: 3}}\n")
    video = shared_data / "video" / "aboda_video4.avi"
    done = run("analyze", video, *START, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    report = tmp_path / "data" / "reports" / "analysis.html"
    *_, queue, last = done.stderr.splitlines()
    assert queue == f"queue: {tmp_path}/data/queue.db (of cv-engine.yaml)"
    assert last == f"report: {report}"
    case, summary = map(json.loads, done.stdout.splitlines())
    assert summary["report"] == str(report)
    assert f'id="case-{case["id"]}"' in report.read_text(encoding="utf-8")


def test_a_run_without_cases_says_why_and_where_it_looked(run: Run, tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", times(40), gop=10)
    done = run("analyze", video, *START)
    assert "no cases: the recording is shorter" in done.stderr
    assert f"queue: {tmp_path}/cv-engine-data/queue.db" in done.stderr
    assert not (tmp_path / "cv-engine-data" / "reports").exists()


def test_zones_that_are_not_used_for_want_of_a_camera_are_named(run: Run, tmp_path: Path) -> None:
    ring = [[10, 10], [60, 10], [60, 60], [10, 60], [10, 10]]
    zone = {
        "type": "Feature",
        "properties": {"zone": "pavement", "kinds": ["clutter"], "frame": "image"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    zones = {"type": "FeatureCollection", "features": [zone]}
    (tmp_path / "zones.geojson").write_text(json.dumps(zones))
    (tmp_path / "c.yaml").write_text("cameras:\n  - {name: gate, zones: zones.geojson}\n")
    video = record(tmp_path / "a.mp4", times(40), gop=10)
    analyze = ("analyze", video, *START, "--config", "c.yaml")
    assert "no --camera was given, so the zones of gate were not used" in run(*analyze).stderr
    assert "no --camera" not in run(*analyze, "--camera", "gate").stderr
