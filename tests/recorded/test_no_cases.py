"""Why a recording has no cases: every known reason is reported."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cv_engine.config import Config
from cv_engine.recorded.analyze import analyze
from tests.video.recordings import record, times

START = datetime(2026, 5, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("footage") / "a.mp4", times(40), gop=10)


def _zones(folder: Path, **properties: Any) -> Path:
    ring = [[10, 10], [60, 10], [60, 60], [10, 60], [10, 10]]
    zone = {
        "type": "Feature",
        "properties": {
            "zone": "pavement",
            "kinds": ["clutter"],
            "frame": "image",
            **properties,
        },
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path = folder / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    return path


def _reasons(
    folder: Path, video: Path, start: datetime | None = START, **settings: Any
) -> list[str]:
    zones = settings.pop("zones", None)
    config = Config.model_validate({"data": folder / "data", **settings})
    summary = analyze([video], config=config, camera="market", start=start, zones=zones)
    (report,) = summary.videos
    assert report.cases == []
    return report.why_none


def test_a_recording_that_is_shorter_than_every_limit(tmp_path: Path, video: Path) -> None:
    reasons = _reasons(tmp_path, video)
    assert "the recording is shorter, 4 s, than the shortest limit, 300 s" in reasons[0]
    assert reasons[1:] == ["nothing stayed in a zone"]


def test_a_zone_that_is_for_another_camera(tmp_path: Path, video: Path) -> None:
    (reason,) = _reasons(tmp_path, video, zones=_zones(tmp_path, camera="gate"))
    assert reason.startswith("no zone watches the camera market: the zones are for gate")


def test_a_zone_that_is_not_watched_at_the_time(tmp_path: Path, video: Path) -> None:
    (reason,) = _reasons(tmp_path, video, zones=_zones(tmp_path, schedule="Mo-Su 20:00-21:00"))
    assert "no zone is watched at the time of the recording, 2026-05-01 08:00 to 08:00" in reason


def test_rules_that_are_all_disabled(tmp_path: Path, video: Path) -> None:
    rules = {name: {"enabled": False} for name in ("parking", "clutter", "heaped")}
    (reason,) = _reasons(tmp_path, video, rules=rules)
    assert "no rule watches this camera" in reason


def test_a_time_that_was_not_stated_is_doubted(tmp_path: Path, video: Path) -> None:
    last = _reasons(tmp_path, video, start=None)[-1]
    assert "--start" in last
    assert "last change" in last


def test_the_stay_that_came_nearest_to_its_limit_is_told(tmp_path: Path, shared_data: Path) -> None:
    video = shared_data / "video" / "aboda_video4.avi"
    reasons = _reasons(tmp_path, video, rules={"clutter": {"dwell_s": 35.0}})
    assert any("the longest stay was" in reason and "is 35 s" in reason for reason in reasons)
