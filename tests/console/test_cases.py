from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cv_engine.console.cases import duration, local_time, place
from cv_engine.finding import Place


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (400, "6 min 40 s"),
        (3600, "1 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_carry_their_offset() -> None:
    at = datetime(2026, 5, 1, 0, 0, tzinfo=UTC)
    assert local_time(at, ZoneInfo("Asia/Shanghai")) == "2026-05-01 08:00:00+08:00"


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
