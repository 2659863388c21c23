from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.video.clock import Clock, start_of
from cv_engine.video.errors import VideoError

SHANGHAI = ZoneInfo("Asia/Shanghai")
MADE = datetime(2026, 4, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("cam_20260501_080000.mp4", "cam_%Y%m%d_%H%M%S", datetime(2026, 5, 1, 0, tzinfo=UTC)),
        ("7_cam_20260501_080000_b.mp4", "cam_%Y%m%d_%H%M%S", datetime(2026, 5, 1, tzinfo=UTC)),
        (
            "2026-05-01T08.00.00+0200.mkv",
            "%Y-%m-%dT%H.%M.%S%z",
            datetime(2026, 5, 1, 6, tzinfo=UTC),
        ),
        ("ch1_1777593600.ts", "ch1_%s", datetime(2026, 5, 1, tzinfo=UTC)),
        ("100%_260501.ts", "100%%_%y%m%d", datetime(2026, 4, 30, 16, tzinfo=UTC)),
    ],
)
def test_time_in_the_name(name: str, pattern: str, expected: datetime) -> None:
    found, basis = start_of(Path(name), pattern=pattern, tz=SHANGHAI, creation_time=MADE)
    assert found == expected
    assert found.tzinfo is UTC
    assert "name" in basis


@pytest.mark.parametrize(
    ("name", "pattern", "message"),
    [
        ("door.mp4", "cam_%Y%m%d", "does not follow"),
        ("cam_20261341.mp4", "cam_%Y%m%d", "holds no valid time"),
        ("cam_080000.mp4", "cam_%H%M%S", "the date is incomplete"),
        ("cam.mp4", "cam_%Q", "unknown code %Q"),
        ("cam.mp4", "cam_%Y%m%d%", "unknown code %"),
    ],
)
def test_names_and_patterns_that_do_not_fit(name: str, pattern: str, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        start_of(Path(name), pattern=pattern)


def test_the_users_statement_takes_precedence() -> None:
    path = Path("cam_20260501.mp4")
    naive = datetime(2026, 5, 2, 8)
    offset = datetime(2026, 5, 2, 8, tzinfo=timezone(timedelta(hours=2)))
    assert start_of(path, start=naive, pattern="cam_%Y%m%d", tz=SHANGHAI)[0] == datetime(
        2026, 5, 2, tzinfo=UTC
    )
    assert start_of(path, start=offset, tz=SHANGHAI)[0] == datetime(2026, 5, 2, 6, tzinfo=UTC)


def test_creation_time_takes_precedence_over_the_last_write(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    os.utime(path, (1_777_593_600, 1_777_593_600))
    assert start_of(path, creation_time=MADE) == (MADE, "the creation time in the file")
    found, basis = start_of(path, duration_s=60.0)
    assert found == datetime(2026, 4, 30, 23, 59, tzinfo=UTC)
    assert "--start" in basis
    with pytest.raises(VideoError, match="cannot be read"):
        start_of(tmp_path / "b.mp4")


@given(st.floats(0, 1e6), st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)))
def test_clock_and_media_time_are_inverse(media_s: float, start: datetime) -> None:
    clock = Clock(start.replace(tzinfo=SHANGHAI))
    assert clock.at(media_s).tzinfo is UTC
    assert clock.media_s(clock.at(media_s)) == pytest.approx(media_s, abs=1e-6)


def test_clock_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Clock(datetime(2026, 5, 1))
