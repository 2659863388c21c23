"""``cv-engine cases stats``: the figures, charts and maps of a queue."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import Action, Actor, Assignment, Role, open_queue
from cv_engine.cases.stages import NoLimits
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.figure_rows import By
from tests.cases.made import located
from tests.commands.program import run_program

Run = Callable[..., subprocess.CompletedProcess[str]]
CHIEF = Actor("Li", Role.SUPERVISOR)


class _OneDay(NoLimits):
    def due(self, kind: str, stage: str, since: datetime, *, urgent: bool) -> datetime | None:
        return since + timedelta(days=1) if stage == "close" else None


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(run_program, tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A queue with three closed cases at one place, one of them late, and a rejected one."""
    folder, now = tmp_path / "data", [datetime(2026, 11, 2, tzinfo=UTC)]
    with open_queue(folder / "queue.db", clock=lambda: now[0], limits=_OneDay()) as queue:
        for number in range(4):
            lon = 121.55 if number < 3 else 121.65
            found = located(lon, 29.87, 1e4 * number, 1e4 * number, kind="clutter")
            queue.file(found)
        queue.reject(4, "Li", "goods being unloaded")
        for number, hours in ((1, 2), (2, 3), (3, 30)):
            for action in (Action.CONFIRM, Action.DISPATCH, Action.HANDLE, Action.VERIFY):
                queue.move(number, action, CHIEF, "seen", to=Assignment("cleansing"))
            now[0] += timedelta(hours=hours)
            queue.move(number, Action.CLOSE, CHIEF)
    return folder


def test_the_table_shows_counts_rates_and_the_total(run: Run, data: Path) -> None:
    done = run("cases", "stats", "--data", data, "--period", "2026-11", "--by", "department")
    assert done.returncode == 0, done.stderr
    assert "2026-11 (UTC)" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:3] == ["department", "received", "filed"]
    assert ["cleansing", "3", "3", "100.00", "0", "3", "0", "3", "0", "100.00", "66.67"] in rows
    assert ["-", "1", "0", "0.00", "1", "0", "0", "0", "0", "-", "-"] in rows
    assert ["total", "4", "3", "75.00", "1", "3", "0", "3", "0", "100.00", "66.67"] in rows


def test_the_table_has_at_most_100_columns_with_the_longest_class(run: Run, data: Path) -> None:
    longest = max(load_taxonomy().kinds, key=len)
    with open_queue(data / "queue.db") as queue:
        queue.file(located(121.0, 29.87, kind=longest))
    done = run("cases", "stats", "--data", data, "--period", "2020..2099")
    assert longest in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_json_lines_and_csv_hold_the_same_rows(run: Run, data: Path) -> None:
    asked = ("cases", "stats", "--data", data, "--period", "2026-11", "--times")
    lines = [json.loads(line) for line in run(*asked, "--format", "jsonl").stdout.splitlines()]
    table = list(csv.DictReader(run(*asked, "--format", "csv").stdout.splitlines()))
    assert [line["class"] for line in lines] == ["clutter", None]
    assert [line["total"] for line in lines] == [False, True]
    assert lines[0]["closing_rate_percent"] == 100
    assert lines[0]["on_time_rate_percent"] == 66.67
    assert lines[0]["close_s"] == 5 * 3600
    for line, row in zip(lines, table, strict=True):
        assert {k: "" if v is None else str(v) for k, v in line.items()} == row


@pytest.mark.parametrize("by", list(By))
def test_rows_may_be_anything_that_is_counted(run: Run, data: Path, by: By) -> None:
    done = run("cases", "stats", "--data", data, "--period", "2026-W45", "--by", by.value)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_days_begin_at_the_citys_midnight(run: Run, data: Path) -> None:
    asked = ("cases", "stats", "--data", data, "--by", "day", "--format", "jsonl", "--period")
    for zone, received in (("Asia/Shanghai", [0, 4]), ("America/New_York", [4, 0])):
        done = run(*asked, "2026-11-01..2026-11-02", "--timezone", zone)
        rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["received"] for row in rows[:-1]] == received


def test_repeat_places_are_listed(run: Run, data: Path) -> None:
    asked = ("cases", "stats", "--data", data, "--by", "place", "--format", "jsonl")
    (place,) = map(json.loads, run(*asked, "--period", "2026-11").stdout.splitlines())
    assert (place["kind"], place["count"], place["cases"]) == ("clutter", 3, [1, 2, 3])
    assert run(*asked, "--period", "2026-11", "--least", "4").stdout == ""


def test_charts_report_and_map_are_written(run: Run, data: Path, tmp_path: Path) -> None:
    zones = tmp_path / "zones.geojson"
    ring = [[121.5, 29.8], [121.6, 29.8], [121.6, 29.9], [121.5, 29.8]]
    zone = {"type": "Feature", "properties": {"zone": "old town"}}
    zone["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    files = ("--charts", "charts", "--report", "report.pdf", "--map", "map.geojson")
    done = run("cases", "stats", "--data", data, "--period", "2026-11", *files, "--zones", zones)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "charts").glob("*.png"))) == 5
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert len(json.loads((tmp_path / "map.geojson").read_text())["features"]) == 1
    assert done.stderr.count("written: ") == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--period", "November"), "2026-W48"),
        (("--period", "2026-11", "--timezone", "Mars/Olympus"), "time zone"),
        (("--period", "2026-11", "--report", "report.doc"), "report.pdf"),
        (("--period", "2026-11", "--map", "map.kml"), ".geojson"),
        (("--period", "2026-11", "--map", "m.png", "--zones", "broken.json"), "zones check"),
    ],
)
def test_wrong_input_is_explained(
    run: Run, data: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "broken.json").write_text('{"features": [{"geometry": 1}]}')
    done = run("cases", "stats", "--data", data, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
