"""Several files of one camera: when each begins, and the message where that makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cv_engine.config import Config
from cv_engine.pipeline.footage import Recording
from cv_engine.recorded import recordings
from cv_engine.recorded.analyze import Summary, analyze
from cv_engine.video.container import ReadSettings
from tests.video.recordings import record, times

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
LENGTH_S = 4.0


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> dict[str, datetime]:
    """When each file that was sampled began, filled in during the run."""
    seen: dict[str, datetime] = {}
    observe = recordings.Recordings._observe

    def noting(self: recordings.Recordings, recording: Recording, *others: Any) -> None:
        seen[recording.path.name] = recording.began
        observe(self, recording, *others)

    monkeypatch.setattr(recordings.Recordings, "_observe", noting)
    return seen


def _footage(folder: Path, *names: str) -> list[Path]:
    count = round(LENGTH_S * 10)
    return [record(folder / name, times(count), gop=10) for name in names]


def _config(folder: Path, **camera: Any) -> Config:
    cameras = [{"name": "market", **camera}] if camera else []
    return Config.model_validate(
        {"data": folder / "data", "video": {"sample_s": 1.0}, "cameras": cameras}
    )


def _run(videos: list[Path], config: Config, **options: Any) -> Summary:
    return analyze(videos, config=config, **{"camera": "market", "start": START, **options})


def test_the_next_begins_where_the_one_before_ended(
    tmp_path: Path, began: dict[str, datetime]
) -> None:
    videos = _footage(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    first = _run(videos[:2], _config(tmp_path))
    assert [video.status for video in first.videos] == ["done", "done"]
    assert began == {"a.mp4": START, "b.mp4": START + timedelta(seconds=LENGTH_S)}
    began.clear()
    second = _run(videos, _config(tmp_path))
    assert [video.status for video in second.videos] == ["already done", "already done", "done"]
    assert began == {"c.mp4": START + timedelta(seconds=2 * LENGTH_S)}
    assert second.media_s == pytest.approx(LENGTH_S, abs=1.0)


def test_a_start_without_offset_is_the_cameras_own_time(
    tmp_path: Path, began: dict[str, datetime]
) -> None:
    config = _config(tmp_path, timezone="Asia/Shanghai")
    _run(_footage(tmp_path, "a.mp4"), config, start=datetime(2026, 5, 1, 16))
    assert began == {"a.mp4": START}


def test_a_camera_without_a_time_zone_has_the_offset_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones: list[str] = []
    opened = recordings.Recordings.__init__

    def noting(
        self: recordings.Recordings, services: Any, setup: Any, *others: Any, **how: Any
    ) -> None:
        zones.append(setup.settings.timezone)
        opened(self, services, setup, *others, **how)

    monkeypatch.setattr(recordings.Recordings, "__init__", noting)
    start = datetime.fromisoformat("2026-05-01T02:30:00-05:30")
    for config in (_config(tmp_path), _config(tmp_path, timezone="Asia/Shanghai")):
        _run(_footage(tmp_path, "a.mp4"), config, start=start)
    assert zones == ["UTC-05:30", "Asia/Shanghai"]


def test_a_stated_rate_gives_the_next_file_its_time(
    tmp_path: Path, began: dict[str, datetime]
) -> None:
    videos = _footage(tmp_path, "a.h264", "b.h264")
    summary = _run(videos, _config(tmp_path, fps=20.0))
    assert [video.message for video in summary.videos] == ["", ""]
    assert began["b.h264"] == START + timedelta(seconds=LENGTH_S / 2)
    began.clear()
    summary = _run(videos, _config(tmp_path, fps=20.0), reading=ReadSettings(rate=5))
    assert began["b.h264"] == START + timedelta(seconds=LENGTH_S * 2)


def test_file_names_say_when_the_next_begins(tmp_path: Path, began: dict[str, datetime]) -> None:
    videos = _footage(tmp_path, "20260501_080000.mp4", "20260501_090000.mp4")
    _run(videos, _config(tmp_path, file_time="%Y%m%d_%H%M%S"))
    assert list(began.values()) == [START, START + timedelta(hours=1)]


def test_after_an_unreadable_file_the_times_are_said_to_be_in_doubt(
    tmp_path: Path, began: dict[str, datetime]
) -> None:
    first, last = _footage(tmp_path, "a.mp4", "c.mp4")
    broken = tmp_path / "b.mp4"
    broken.touch()
    summary = _run([first, broken, last], _config(tmp_path))
    assert [video.status for video in summary.videos] == ["done", "failed", "done"]
    assert began["c.mp4"] == START + timedelta(seconds=LENGTH_S)
    doubt = "timed as if b.mp4, which cannot be read, had no length"
    assert summary.videos[2].message == doubt


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("20260501_080000.mp4", "20260501_080004.mp4"), False),
        # Names are whole seconds, and recorders repeat a moment: that is no disorder.
        (("20260501_080000.mp4", "20260501_080003.mp4"), False),
        (("20260501_080000.mp4", "20260501_090000.mp4"), False),
        (("20260501_090000.mp4", "20260501_080000.mp4"), True),
        (("20260501_080002.mp4", "20260501_080000.mp4"), True),
    ],
)
def test_files_out_of_order_are_reported(
    names: tuple[str, str], complaint: bool, tmp_path: Path
) -> None:
    config = _config(tmp_path, file_time="%Y%m%d_%H%M%S")
    summary = _run(_footage(tmp_path, *names), config, start=None)
    assert [video.status for video in summary.videos] == ["done", "done"]
    assert ("are the videos in order" in summary.videos[1].message) is complaint


def test_without_a_camera_each_file_is_one_and_leaves_no_checkpoint(
    tmp_path: Path, began: dict[str, datetime]
) -> None:
    videos = _footage(tmp_path, "a.mp4", "b.mp4")
    _run(videos, _config(tmp_path), camera=None)
    assert began == {"a.mp4": START, "b.mp4": START}
    assert not list((tmp_path / "data" / "progress").glob("*.checkpoint"))
