"""MP4 files that have lost their index, as after a power cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cv_engine.evidence.media.clip import cut
from cv_engine.video.container import ReadSettings
from cv_engine.video.errors import VideoError
from cv_engine.video.recovery.stream import RecoveredStream
from cv_engine.video.sampler import Plan, choose
from cv_engine.video.source import Video, open_video
from tests.video.recordings import HEIGHT, WIDTH, number_of, record, times, with_sound

_IN_BAND = {
    "libx264": {"x264-params": "repeat-headers=1"},
    "libx265": {"x265-params": "repeat-headers=1:log-level=none"},
}


def _record(
    path: Path,
    codec: str = "libx264",
    *,
    pictures: int = 60,
    b_frames: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """A recording with pieces of sound between the pictures."""
    return with_sound(path, times(pictures), codec=codec, b_frames=b_frames, options=options)


def _without_index(path: Path, share: float = 1.0) -> Path:
    """What is left of an MP4 whose recorder lost power: a part of the media data, and no index."""
    data = path.read_bytes()
    media, index = data.index(b"mdat") + 4, data.index(b"moov") - 4
    broken = path.with_name("broken.mp4")
    broken.write_bytes(data[: media + round((index - media) * share)])
    return broken


def _numbers(video: Video) -> list[tuple[float, int]]:
    return [
        (round(sample.media_s, 3), number_of(sample.small(WIDTH, HEIGHT)))
        for sample in video.samples(Plan("all", 0.001, ""))
    ]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_pictures_are_found_by_a_sound_file_of_the_same_camera(
    tmp_path: Path, codec: str, b_frames: int
) -> None:
    sound = _record(tmp_path / "sound.mp4", codec, pictures=20, b_frames=b_frames)
    broken = _without_index(_record(tmp_path / "a.mp4", codec, b_frames=b_frames))
    with pytest.raises(VideoError, match=r"index is missing or damaged.*--repair-from"):
        open_video(broken)
    settings = ReadSettings(repair_from=sound)
    video = open_video(broken, settings)
    assert _numbers(video) == [(number / 10, number) for number in range(60)]
    assert (video.skipped, video.repairs, video.recovered) == ([], [], True)
    assert video.rate.basis == "that of sound.mp4"
    assert [number_of(s.image()) for s in video.read([0.5, 3.3, 5.0])] == [5, 33, 50]
    info = cut(broken, 2.3, 4.0, tmp_path / "clip", settings)
    clip = open_video(info.path)
    assert [number for _, number in _numbers(clip)][:20] == list(range(20, 40))
    assert (info.start_s, info.stopped) == (2.0, None)


@pytest.mark.parametrize("share", [0.35, 0.8])
def test_what_was_written_before_the_power_cut_is_read(tmp_path: Path, share: float) -> None:
    sound = _record(tmp_path / "sound.mp4", pictures=20)
    broken = _without_index(_record(tmp_path / "a.mp4"), share)
    found = _numbers(open_video(broken, ReadSettings(repair_from=sound)))
    assert found == [(number / 10, number) for number in range(len(found))]
    assert len(found) == pytest.approx(60 * share, abs=12)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_parameter_sets_in_the_stream_make_a_sound_file_unnecessary(
    tmp_path: Path, codec: str
) -> None:
    whole = _record(tmp_path / "a.mp4", codec, b_frames=2, options=_IN_BAND[codec])
    video = open_video(_without_index(whole))
    assert _numbers(video) == [(number / 10, number) for number in range(60)]
    assert video.rate.basis == "the encoder's parameter sets"


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_start_codes_in_place_of_lengths(tmp_path: Path, codec: str) -> None:
    whole = _record(tmp_path / "a.mp4", codec, options=_IN_BAND[codec])
    with RecoveredStream(_without_index(whole), None) as stream:
        raw = stream.read(1 << 30)
    path = tmp_path / "start-codes.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\2\0" + b"\0\0\0\0mdat" + raw)
    assert _numbers(open_video(path)) == [(number / 10, number) for number in range(60)]


def test_a_stated_rate_goes_before_that_of_the_sound_file(tmp_path: Path) -> None:
    sound = _record(tmp_path / "sound.mp4", pictures=20)
    broken = _without_index(_record(tmp_path / "a.mp4"))
    video = open_video(broken, ReadSettings(rate=5, repair_from=sound))
    assert _numbers(video)[-1] == (11.8, 59)


def test_a_damaged_stretch_is_passed_over(tmp_path: Path) -> None:
    sound = _record(tmp_path / "sound.mp4", pictures=20)
    broken = _without_index(_record(tmp_path / "a.mp4"))
    data = bytearray(broken.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = random.Random(3).randbytes(3000)
    broken.write_bytes(data)
    numbers = [
        number for _, number in _numbers(open_video(broken, ReadSettings(repair_from=sound)))
    ]
    assert {*range(20), *range(40, 60)} <= set(numbers)


def test_a_preallocated_file_ends_in_zeros(tmp_path: Path) -> None:
    sound = _record(tmp_path / "sound.mp4", pictures=20)
    broken = _without_index(_record(tmp_path / "a.mp4"))
    broken.write_bytes(broken.read_bytes() + bytes(3 << 20))
    found = _numbers(open_video(broken, ReadSettings(repair_from=sound)))
    assert [number for _, number in found] == list(range(60))


def test_a_file_of_another_codec_is_of_no_use(tmp_path: Path) -> None:
    broken = _without_index(_record(tmp_path / "a.mp4"))
    other = record(tmp_path / "other.mp4", times(20), codec="mpeg4")
    with pytest.raises(VideoError, match=r"other.mp4: nothing can be repaired from this file"):
        open_video(broken, ReadSettings(repair_from=other))
    with pytest.raises(VideoError, match=r"nothing.mp4: there is no such file"):
        open_video(broken, ReadSettings(repair_from=tmp_path / "nothing.mp4"))


def test_a_sound_recording_is_read_as_it_is(tmp_path: Path) -> None:
    sound = _record(tmp_path / "sound.mp4", pictures=20)
    video = open_video(_record(tmp_path / "a.mp4"), ReadSettings(repair_from=sound))
    assert not video.recovered
    assert len(list(video.samples(choose(video, 1.0)))) == 7


def test_bytes_without_pictures_are_refused(tmp_path: Path) -> None:
    sound = _record(tmp_path / "sound.mp4", pictures=20)
    empty = tmp_path / "empty.mp4"
    noise = random.Random(4).randbytes(200_000)
    empty.write_bytes(b"\0\0\0\x10ftypisom\0\0\2\0" + b"\0\0\0\0mdat" + noise)
    with pytest.raises(VideoError, match="no picture"):
        open_video(empty, ReadSettings(repair_from=sound))
