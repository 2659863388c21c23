from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from cv_engine.evidence.media.clip import cut
from cv_engine.video.paths import expand
from cv_engine.video.sampler import Plan, choose
from cv_engine.video.source import Video, VideoError, open_video
from tests.conftest import SHARED
from tests.video.recordings import (
    HEIGHT,
    WIDTH,
    dav,
    number_of,
    picture,
    record,
    remux,
    sound,
    times,
    with_sound,
)

_CLIPS = sorted((SHARED / "video").glob("*.[am][vp]*"))

_FLV_HEADER_BYTES = 13

Samples = list[tuple[float, int]]


def sampled(video: Video, plan: Plan) -> Samples:
    return [
        (round(sample.media_s, 3), number_of(sample.small(WIDTH, HEIGHT)))
        for sample in video.samples(plan)
    ]


def on_the_grid(samples: Samples, sample_s: float, end_s: float) -> None:
    """Checks that every picture has its time, and no gap is longer than ``sample_s``."""
    assert all(time_s == pytest.approx(number / 10, abs=2e-3) for time_s, number in samples)
    seen = [time_s for time_s, _ in samples]
    assert seen == sorted(set(seen))
    assert max(b - a for a, b in zip(seen, [*seen[1:], end_s], strict=True)) <= sample_s + 0.051


@pytest.mark.parametrize(
    ("name", "making", "decode"),
    [
        ("a.mp4", {"gop": 20}, "key"),
        ("a.mp4", {"gop": 20, "b_frames": 3}, "key"),
        ("a.mkv", {"gop": 7, "b_frames": 2}, "key"),
        ("a.ts", {"gop": 20, "b_frames": 3}, "key"),
        ("a.avi", {"gop": 20, "b_frames": 2}, "key"),
        ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}, "key"),
        ("a.mp4", {"gop": 70}, "all"),
        ("a.avi", {"gop": 70, "b_frames": 2}, "all"),
        ("a.avi", {"codec": "mpeg4", "gop": 50}, "all"),
        ("a.mp4", {"gop": 70, "b_frames": 3}, "nonref"),
        ("a.ts", {"gop": 70, "b_frames": 3}, "nonref"),
        ("a.mkv", {"b_frames": 3}, "nonref"),
    ],
)
def test_every_interval_has_a_sample(
    tmp_path: Path, name: str, making: dict[str, object], decode: str
) -> None:
    path = record(tmp_path / name, times(150), **making)  # type: ignore[arg-type]
    video = open_video(path)
    plan = choose(video, 2.0)
    assert plan.decode == decode
    on_the_grid(sampled(video, plan), 2.0, 14.9 if decode != "key" else 15.0)
    assert video.skipped == []
    assert video.repairs == []


@pytest.mark.parametrize("decode", ["key", "nonref", "all"])
@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_forced_plans_sample_every_interval(tmp_path: Path, decode: str, name: str) -> None:
    keys = [20, 40, 60, 130, 140, 160, 170, 270]  # gaps of 7 and 10 seconds among those of 2
    video = open_video(record(tmp_path / name, times(300), keys=keys, b_frames=2))
    on_the_grid(sampled(video, choose(video, 2.0, decode)), 2.5, 29.9)


def test_long_gaps_among_short_ones_are_decoded_completely(tmp_path: Path) -> None:
    keys = [number for number in range(0, 1000, 20) if not 400 < number < 460]
    video = open_video(record(tmp_path / "a.mp4", times(1000), keys=keys))
    plan = choose(video, 2.0)
    assert plan.decode == "key"
    assert "decoded completely" in plan.reason
    samples = sampled(video, plan)
    on_the_grid(samples, 2.0, 100.0)
    assert {(42.0, 420), (44.0, 440)} <= set(samples)


def test_frequent_key_frames_are_skipped(tmp_path: Path) -> None:
    video = open_video(record(tmp_path / "a.mp4", times(100), gop=3))
    assert [time for time, _ in sampled(video, choose(video, 2.0))] == [
        0.0, 1.8, 3.6, 5.4, 7.2, 9.0, 9.9,
    ]  # fmt: skip


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    shown = [0.0, 0.5, 0.6, 3.0, 3.1, 9.0, 9.1, 9.2, 12.0, 12.1]
    video = open_video(record(tmp_path / "a.mp4", shown, gop=100))
    samples = sampled(video, choose(video, 2.0))
    assert all(time_s == shown[number] for time_s, number in samples)
    for start in (0.0, 1.0, 4.0, 7.5, 10.0):  # every picture within a window was sampled
        within = [i for i, t in enumerate(shown) if t <= start + 2.0 and t >= start]
        seen = {number for _, number in samples}
        assert not within or seen & {*within, within[0] - 1}


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_is_applied_to_every_kind_of_picture(tmp_path: Path, rotation: int) -> None:
    path = record(tmp_path / "a.mp4", times(60), rotation=rotation)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0))
    assert (stored.rotation - rotation) % 360 == 0  # degrees counterclockwise, says PyAV
    turns = rotation // 90 % 4
    video = open_video(path)
    upright = (HEIGHT, WIDTH) if turns % 2 else (WIDTH, HEIGHT)
    assert (video.width, video.height) == upright
    expected = np.rot90(picture(0), turns)  # counterclockwise
    sample = next(iter(video.samples(choose(video, 2.0))))
    assert sample.image().shape == (*upright[::-1], 3)
    assert np.abs(sample.image().astype(int) - expected).mean() < 12
    assert np.abs(sample.image_at(*upright).astype(int) - expected).mean() < 12
    grey = expected.astype(float) @ (0.114, 0.587, 0.299)
    assert np.abs(sample.small(*upright) - grey).mean() < 6


def test_creation_time_and_metadata(tmp_path: Path) -> None:
    made = {"creation_time": "2026-05-01T08:00:00+08:00"}
    video = open_video(record(tmp_path / "a.mp4", times(20), metadata=made))
    assert video.creation_time == datetime(2026, 5, 1, tzinfo=UTC)
    assert (video.width, video.height, video.codec) == (WIDTH, HEIGHT, "h264")
    assert float(video.rate.per_second) == pytest.approx(10)
    assert video.duration_s == pytest.approx(2.0)
    unset = {"creation_time": "1904-01-01T00:00:00Z"}
    assert open_video(record(tmp_path / "b.mkv", times(20), metadata=unset)).creation_time is None


def test_joined_recordings_whose_clock_starts_again(tmp_path: Path) -> None:
    one = record(tmp_path / "one.ts", times(100), gop=20).read_bytes()
    (tmp_path / "two.ts").write_bytes(one + one)
    video = open_video(tmp_path / "two.ts")
    samples = sampled(video, choose(video, 2.0))
    assert [number for _, number in samples] == [0, 20, 40, 60, 80] * 2
    assert [time for time, _ in samples] == pytest.approx([2.0 * n for n in range(10)], abs=0.11)
    assert "fall back" in video.repairs[0].what
    assert video.repairs[0].at_s == pytest.approx(9.9, abs=0.2)
    again = [number_of(sample.image()) for sample in video.read([1.0, 9.5, 11.05, 14.05])]
    assert again == pytest.approx([10, 95, 10, 40], abs=1)


def test_a_jump_of_hours_is_closed(tmp_path: Path) -> None:
    plain = record(tmp_path / "plain.mkv", times(100), gop=20)
    stamps = [(n * 100 + (7_200_000 if n >= 50 else 0),) * 2 for n in range(100)]
    video = open_video(remux(plain, tmp_path / "jump.mkv", stamps))
    samples = sampled(video, choose(video, 2.0))
    assert [number for _, number in samples] == [0, 20, 40, 60, 80]
    assert [time for time, _ in samples] == pytest.approx([0, 2, 4, 6, 8], abs=0.01)
    assert "jump ahead" in video.repairs[0].what
    assert video.skipped == []


def test_a_pause_of_minutes_is_kept(tmp_path: Path) -> None:
    shown = [*times(50), *(600 + time for time in times(50))]
    video = open_video(record(tmp_path / "a.mp4", shown, gop=20))
    samples = sampled(video, choose(video, 2.0))
    assert samples[-1][0] > 604
    assert video.repairs == []


def test_a_stream_without_any_times(tmp_path: Path) -> None:
    path = record(
        tmp_path / "a.h264", times(100), gop=25
    )  # a raw stream has neither times nor rate
    video = open_video(path)
    samples = sampled(video, choose(video, 1.0))
    numbers = [number for _, number in samples]
    assert numbers == sorted(numbers)
    rates = {round(number / time) for time, number in samples if time}
    assert len(rates) == 1  # the rate that FFmpeg assumes, without drift


def damage(path: Path, start: float, count: int) -> Path:
    """Overwrites ``count`` bytes from a relative position."""
    data = bytearray(path.read_bytes())
    begin = int(len(data) * start)
    data[begin : begin + count] = random.Random(1).randbytes(count)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "decode"), [("a.ts", "all"), ("a.ts", "key"), ("a.mkv", "all"), ("a.mp4", "all")]
)
def test_damaged_stretches_are_skipped_and_reported(tmp_path: Path, name: str, decode: str) -> None:
    path = record(tmp_path / name, times(300), gop=30)
    damage(path, 0.5, path.stat().st_size // 10)
    video = open_video(path)
    samples = sampled(video, choose(video, 3.0, decode))
    assert all(time_s == pytest.approx(number / 10, abs=2e-3) for time_s, number in samples)
    assert samples[-1][0] > 26
    assert video.skipped
    gaps = [(a, b) for (a, _), (b, _) in pairwise(samples) if b - a > 3.8]
    for a, b in gaps:  # every gap is reported
        assert any(skip.from_s < b and skip.to_s > a for skip in video.skipped)


@pytest.mark.parametrize(("name", "options"), [("a.mkv", {}), ("a.mp4", {"movflags": "faststart"})])
@pytest.mark.parametrize("decode", ["auto", "all"])
def test_a_cut_off_recording_is_read_up_to_the_cut(
    tmp_path: Path, name: str, options: dict[str, str], decode: str
) -> None:
    path = record(tmp_path / name, times(300), gop=20, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = open_video(path)
    samples = sampled(video, choose(video, 2.0, decode))
    assert len(samples) >= 5
    assert all(time_s == pytest.approx(number / 10, abs=2e-3) for time_s, number in samples)
    assert video.skipped[-1].to_s == pytest.approx(30.0, abs=0.2)
    assert video.skipped[-1].from_s >= samples[-1][0]
    assert "ends before" in video.skipped[-1].reason


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mp4", None, "no such file"),
        ("a.mp4", b"", "empty"),
        ("a.mp4", b"parking at noon\n" * 99, "text"),
        ("a.mp4", b"1\n00:00:00,000 --> 00:00:02,000\nhi\n", "text"),
        ("a.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hosts\n", "text"),
        ("a.mp4", bytes(9999), "not a recording"),
        ("a.avi", random.Random(2).randbytes(99999), "not a recording"),
    ],
)
def test_files_that_are_not_recordings_are_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=message) as error:
        open_video(path)
    assert str(path) in str(error.value)


def test_an_mp4_without_its_index_is_explained(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times(100))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(VideoError, match="index is missing or damaged"):
        open_video(path)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="only sound"):
        open_video(sound(tmp_path / "a.mp4"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="folder"):
        open_video(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_missing_permission_is_reported(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times(10))
    path.chmod(0)
    with pytest.raises(VideoError, match="permission"):
        open_video(path)


def test_a_file_that_disappears_is_reported(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times(10))
    video = open_video(path)
    path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        list(video.samples(Plan("all", 1.0, "")))


@pytest.mark.parametrize("path", _CLIPS, ids=lambda path: path.stem)
def test_a_real_clip_keeps_its_times(path: Path) -> None:
    video = open_video(path)
    plan = choose(video, 2.0)
    seen = [sample.media_s for sample in video.samples(plan)]
    assert seen[0] < 0.1
    assert max(b - a for a, b in pairwise(seen)) <= 2.5
    assert video.duration_s is not None
    assert seen[-1] > video.duration_s - 2.5
    assert video.skipped == []
    assert video.repairs == []


@pytest.mark.parametrize(("rate", "b_frames"), [(1, 3), (2, 2), (0.5, 3), (10, 3)])
@pytest.mark.parametrize("name", ["a.mkv", "a.nut"])
def test_first_packets_without_decoding_time_delay_nothing(
    tmp_path: Path, name: str, rate: float, b_frames: int
) -> None:
    path = record(tmp_path / name, times(60, rate), gop=20, b_frames=b_frames)
    video = open_video(path)
    samples = sampled(video, Plan("all", 0.01, ""))
    assert samples == [(number / rate, number) for number in range(60)]
    assert (video.repairs, video.skipped) == ([], [])
    wanted = [40 / rate, 55 / rate]
    assert [number_of(sample.image()) for sample in video.read(wanted)] == [40, 55]


@pytest.mark.parametrize(
    ("name", "making"),
    [
        ("a.avi", {}),
        ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.mp4", {"options": {"movflags": "faststart"}}),
        ("a.mkv", {}),
        ("a.flv", {}),
    ],
)
@pytest.mark.parametrize("kept", [40, 125])
def test_a_recording_that_is_shorter_than_stated_is_reported(
    tmp_path: Path, name: str, making: dict[str, object], kept: int
) -> None:
    path = record(tmp_path / name, times(150), gop=20, **making)  # type: ignore[arg-type]
    whole = open_video(path)
    last_s = sampled(whole, Plan("all", 0.01, ""))[-1][0]
    assert (last_s, whole.skipped) == (14.9, [])
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    position = packets[kept].pos
    assert position is not None
    path.write_bytes(path.read_bytes()[:position])
    cut = open_video(path)
    last_s = sampled(cut, Plan("all", 0.01, ""))[-1][0]
    assert last_s == pytest.approx(kept / 10, abs=0.3)
    assert "ends before" in cut.skipped[-1].reason
    assert cut.skipped[-1].from_s == pytest.approx(last_s, abs=0.3)
    assert cut.skipped[-1].to_s == pytest.approx(15.0, abs=0.3)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.flv", "a.avi", "a.mkv"])
@pytest.mark.parametrize("rate", [0.5, 1, 10])
def test_a_whole_recording_with_rare_pictures_is_not_cut_off(
    tmp_path: Path, name: str, rate: float
) -> None:
    video = open_video(record(tmp_path / name, times(20, rate), gop=5, b_frames=2))
    assert len(sampled(video, Plan("all", 0.01, ""))) == 20
    assert video.skipped == []


def test_a_cut_avi_of_five_seconds_is_reported(shared_data: Path) -> None:
    video = open_video(shared_data / "odd" / "13-truncated-silent" / "181_trunc.avi")
    list(video.samples(Plan("all", 1.0, "")))
    assert (video.skipped[-1].from_s, video.skipped[-1].to_s) == (1.9, 5.0)


def test_three_tenths_of_a_real_avi_are_reported(tmp_path: Path, shared_data: Path) -> None:
    data = (shared_data / "video" / "pets09_s2l1_vtest.avi").read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(data[: len(data) * 3 // 10])
    video = open_video(path)
    list(video.samples(choose(video, 5.0)))
    assert video.skipped
    assert video.skipped[-1].to_s == pytest.approx(79.5, abs=0.2)


def test_a_track_that_appears_in_mid_file_is_passed_over(tmp_path: Path) -> None:
    silent = record(tmp_path / "silent.flv", times(60), gop=20).read_bytes()
    heard = with_sound(tmp_path / "heard.flv", times(60)).read_bytes()
    path = tmp_path / "joined.flv"
    path.write_bytes(silent + heard[_FLV_HEADER_BYTES:])
    samples = sampled(open_video(path), Plan("all", 0.01, ""))
    assert [number for _, number in samples] == [*range(60), *range(60)]
    cut(path, 1.0, 8.0, tmp_path / "clip")


@pytest.mark.parametrize("other", ["libx265", "mpeg4"])
def test_a_codec_that_changes_in_mid_file_is_reported(tmp_path: Path, other: str) -> None:
    first = record(tmp_path / "a.ts", times(60), gop=20)
    second = record(tmp_path / "b.ts", times(60), gop=20, codec=other)
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    video = open_video(path)
    samples = sampled(video, Plan("all", 0.01, ""))
    assert [number for _, number in samples][:58] == list(range(58))
    assert len(samples) in (58, 59, 60)  # the last one may be cut off by the next one's beginning
    assert video.skipped[-1].to_s == pytest.approx(11.8, abs=0.3)


def test_a_recording_of_a_dahua_recorder(tmp_path: Path) -> None:
    plain = record(tmp_path / "a.mp4", times(150), gop=20)
    path = dav(plain, tmp_path / "a.dav", datetime(2026, 5, 1, 8))
    assert expand([tmp_path]) == [path, plain]
    video = open_video(path)
    assert sampled(video, Plan("all", 0.01, "")) == [(n / 10, n) for n in range(150)]
    assert (video.skipped, video.repairs, video.rate.doubt) == ([], [], None)
    assert [number_of(sample.image()) for sample in video.read([0.5, 12.0])] == [5, 120]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(sampled(open_video(path), Plan("all", 0.01, ""))) == pytest.approx(75, abs=15)
