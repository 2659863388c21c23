from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from cv_engine.video.sampler import Plan, choose
from cv_engine.video.source import open_video
from tests.video.recordings import number_of, record, times


@pytest.mark.parametrize(
    ("name", "making"),
    [
        ("a.mp4", {"gop": 20, "b_frames": 3}),
        ("a.mp4", {"gop": 500}),
        ("a.mkv", {"gop": 70, "b_frames": 3}),
        ("a.ts", {"gop": 70, "b_frames": 2}),
        ("a.avi", {"gop": 30, "b_frames": 2}),
        ("a.avi", {"codec": "mpeg4", "gop": 50}),
    ],
)
@pytest.mark.parametrize("after_samples", [False, True])
def test_the_picture_shown_at_each_time(
    tmp_path: Path, name: str, making: dict[str, object], after_samples: bool
) -> None:
    video = open_video(record(tmp_path / name, times(400), **making))  # type: ignore[arg-type]
    if after_samples:
        list(video.samples(choose(video, 5.0)))
    wanted = [0.0, 39.9, 7.35, 7.3, 7.295, 15.0, 22.22, 1.0, 1000.0, 22.3, 0.05]
    numbers = [number_of(sample.image()) for sample in video.read(wanted)]
    assert numbers == [0, 0, 10, 72, 73, 73, 150, 222, 223, 399, 399]


def test_samples_are_read_again_exactly(shared_data: Path) -> None:
    for name in ("us_street_intersection.mp4", "aboda_video4.avi", "lot_leave_arrive.mp4"):
        video = open_video(shared_data / "video" / name)
        samples = {
            sample.media_s: sample.small(320, 180) for sample in video.samples(choose(video, 7.0))
        }
        again = list(video.read(list(samples)))
        assert [sample.media_s for sample in again] == list(samples)
        for sample in again:
            assert np.array_equal(sample.small(320, 180), samples[sample.media_s])


def test_key_frames_alone_equal_those_of_a_full_decode(shared_data: Path) -> None:
    video = open_video(shared_data / "video" / "lot_leave_arrive.mp4")
    alone = list(video.samples(Plan("key", 2.0, "")))
    with av.open(str(video.path)) as container:
        whole = {frame.time: frame.to_ndarray(format="gray") for frame in container.decode(video=0)}
    assert len(alone) > 30
    for sample in alone:
        assert np.array_equal(sample.frame.to_ndarray(format="gray"), whole[sample.media_s])


def test_without_deblocking_the_difference_is_small(shared_data: Path) -> None:
    video = open_video(shared_data / "video" / "lot_leave_arrive.mp4")
    plan = Plan("key", 2.0, "")
    pairs = zip(video.samples(plan, deblock=False), video.samples(plan), strict=True)
    assert (
        max(
            np.abs(fast.small(320, 180).astype(int) - full.small(320, 180)).mean()
            for fast, full in pairs
        )
        < 1.5
    )


def test_no_times_give_no_pictures(tmp_path: Path) -> None:
    assert list(open_video(record(tmp_path / "a.mp4", times(5))).read([])) == []


def test_a_damaged_time_gives_the_last_readable_picture(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ts", times(300), gop=30)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) * 6 // 10] = bytes(len(data) * 6 // 10 - len(data) // 2)
    path.write_bytes(data)
    video = open_video(path)
    shown = [(round(x.media_s, 2), number_of(x.image())) for x in video.read([1.0, 16.0, 25.0])]
    assert shown[0] == (1.0, 10)
    assert shown[1][0] <= 16.0
    assert shown[2] == (25.0, 250)
