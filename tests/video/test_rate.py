"""The picture rate of recordings without times of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.video.container import ReadSettings
from cv_engine.video.sampler import Plan
from cv_engine.video.source import Video, open_video
from tests.video.recordings import HEIGHT, WIDTH, number_of, record, times

_EVERY_PICTURE = Plan("all", 0.001, "")


def _numbered(video: Video) -> dict[int, float]:
    return {
        number_of(sample.small(WIDTH, HEIGHT)): sample.media_s
        for sample in video.samples(_EVERY_PICTURE)
    }


@pytest.mark.parametrize(
    ("name", "making"),
    [
        ("a.h264", {"gop": 25}),
        ("a.h264", {"gop": 25, "b_frames": 2}),
        ("a.mjpeg", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    ],
)
def test_all_pictures_of_a_raw_stream_are_read_at_the_stated_rate(
    tmp_path: Path, name: str, making: dict[str, object]
) -> None:
    path = record(tmp_path / name, times(120), **making)  # type: ignore[arg-type]
    stated = _numbered(open_video(path, ReadSettings(rate=12.5)))
    assert list(stated) == list(range(120))
    assert stated[119] == pytest.approx(119 / 12.5)
    guessed = open_video(path)
    assert guessed.rate.doubt is not None
    assert "25 pictures per second were assumed" in guessed.rate.doubt
    assert _numbered(guessed)[119] == pytest.approx(119 / 25)


@pytest.mark.parametrize("name", ["norate.h264", "norate.h265"])
def test_parameter_sets_without_a_rate_hide_no_picture(shared_data: Path, name: str) -> None:
    video = open_video(shared_data / "odd" / "01-raw-stream-without-rate" / name)
    assert video.rate.guessed
    samples = list(video.samples(_EVERY_PICTURE))
    assert len(samples) == 160
    assert samples[-1].media_s == pytest.approx(159 / 25)


def test_a_rate_in_the_parameter_sets_is_no_guess(shared_data: Path) -> None:
    video = open_video(shared_data / "odd" / "plain.h264")
    assert (float(video.rate.per_second), video.rate.doubt) == (10.0, None)
    assert [sample.media_s for sample in video.samples(_EVERY_PICTURE)][-1] == pytest.approx(15.9)


def test_a_stated_rate_does_not_change_a_recording_with_times(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times(30))
    video = open_video(path, ReadSettings(rate=25))
    assert _numbered(video)[29] == pytest.approx(2.9)
    assert video.rate.doubt is None


def test_pictures_of_a_raw_stream_are_found_by_time(tmp_path: Path) -> None:
    path = record(tmp_path / "a.h264", times(300), gop=25, b_frames=2)
    video = open_video(path, ReadSettings(rate=10))
    list(video.samples(Plan("all", 2.0, "")))
    assert [number_of(s.image()) for s in video.read([0.5, 11.0, 28.0])] == [5, 110, 280]
