from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from cv_engine.case_report.facts import due
from cv_engine.cases import open_queue
from cv_engine.commands.cases.tables import sheet, zone_of_case
from cv_engine.config import Config
from cv_engine.finding import Finding, Place
from cv_engine.wording import duration, local_time, place
from tests.cases.made import finding


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (400, "6 min 40 s"),
        (3600, "1 h 0 min"),
        (90061, "25 h 1 min"),
        (28 * 86400, "28 d"),
        (31 * 86400 + 7200, "31 d 2 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("left", "text"),
    [(None, "-"), (7200, "in 2 h 0 min"), (0, "in 0 s"), (-300, "5 min 0 s late")],
)
def test_deadlines_are_shown_as_the_time_that_is_left(left: float | None, text: str) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert due(None if left is None else now + timedelta(seconds=left), now) == text


def test_times_carry_their_offset() -> None:
    at = datetime(2026, 5, 1, 0, 0, tzinfo=UTC)
    assert local_time(at, ZoneInfo("Asia/Shanghai")) == "2026-05-01 08:00:00+08:00"


@pytest.mark.parametrize(
    ("camera", "noted", "shown"),
    [
        (None, None, "2026-05-01 00:00:00+00:00"),
        (None, "UTC+08:00", "2026-05-01 08:00:00+08:00"),
        (None, "UTC-03:30", "2026-04-30 20:30:00-03:30"),
        (None, "nonsense", "2026-05-01 00:00:00+00:00"),
        ({}, "UTC+08:00", "2026-05-01 08:00:00+08:00"),
        ({"timezone": "Europe/Madrid"}, "UTC+08:00", "2026-05-01 02:00:00+02:00"),
        ({"timezone": "UTC"}, "UTC+08:00", "2026-05-01 00:00:00+00:00"),
    ],
)
def test_a_case_has_the_time_of_its_camera_else_that_of_the_start(
    tmp_path: Path, camera: dict[str, str] | None, noted: str | None, shown: str
) -> None:
    cameras = [] if camera is None else [{"name": "market-street", **camera}]
    config = Config.model_validate({"cameras": cameras})
    filed = finding(attributes={"timezone": noted} if noted else {})
    with open_queue(tmp_path / "queue.db") as queue:
        case = queue.get(queue.file(filed).case_id)
    assert local_time(case.began, zone_of_case(case, config)) == shown


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Place(None, None, "unknown"), "unknown"),
        (
            Place({"type": "Point", "coordinates": [121.5, 29.8]}, 2.4, "homography"),
            "29.800000, 121.500000 ±2 m",
        ),
        (
            Place({"type": "Point", "coordinates": [121.5, 29.8]}, 100, "camera"),
            "29.800000, 121.500000 ±100 m (the camera's)",
        ),
    ],
)
def test_places(where: Place, text: str) -> None:
    assert place(where) == text


def test_a_case_seen_from_above_has_an_area_and_no_empty_details(tmp_path: Path) -> None:
    square = [[121.5, 29.8], [121.501, 29.8], [121.501, 29.801], [121.5, 29.8]]
    site = Place({"type": "Polygon", "coordinates": [square]}, 4.0, "raster")
    began = datetime(2026, 2, 1, tzinfo=UTC)
    details = {
        "area_m2": 200.0,
        "permits": ["2026-1", "2026-2"],
        "seen_by": [],
        "planning_zone": None,
    }
    kind = "building_without_permit"
    finding = Finding(kind, "west", "west", site, began, began, 0.9, details)
    with open_queue(tmp_path / "queue.db") as queue:
        queue.file(finding)
        console = Console(width=120)
        with console.capture() as shown:
            console.print(sheet(queue.get(1), queue.history(1), [], Config(), began))
    text = shown.get()
    assert "area        west" in text
    assert "camera" not in text
    assert "area_m2 200.0, permits 2026-1, 2026-2 " in text
    assert "seen_by" not in text
    assert "None" not in text
