"""Recordings with periodic intra refresh: sampled like others, from any start, through damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.video.sampler import Plan, choose
from cv_engine.video.source import open_video
from tests.video.intra_refresh import EVERY, refreshed
from tests.video.recordings import HEIGHT, WIDTH, number_of

_COUNT = 100
_SAMPLE_S = 2.0


def _sampled(path: Path, plan: Plan | None = None) -> list[tuple[float, int]]:
    video = open_video(path)
    samples = video.samples(plan or choose(video, _SAMPLE_S))
    found = [(round(each.media_s, 3), number_of(each.small(WIDTH, HEIGHT))) for each in samples]
    assert video.skipped == []
    return found


@pytest.mark.parametrize("decode", ["auto", "key", "all", "nonref"])
@pytest.mark.parametrize(
    ("codec", "name"),
    [("libx264", "a.mp4"), ("libx264", "a.ts"), ("libx265", "a.mp4"), ("libx265", "a.mkv")],
)
def test_periodic_intra_refresh_is_sampled_like_other_recordings(
    codec: str, name: str, decode: str, tmp_path: Path
) -> None:
    path = refreshed(tmp_path / name, _COUNT, codec=codec)
    found = _sampled(path, choose(open_video(path), _SAMPLE_S, decode))
    assert found == [(time_s, round(time_s * 10)) for time_s in (0.0, 2.0, 4.0, 6.0, 8.0, 9.9)]


@pytest.mark.parametrize("decode", ["auto", "key"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("missing", [1, 5, EVERY, 3 * EVERY + 5])
def test_a_recording_may_begin_between_recovery_points(
    missing: int, codec: str, decode: str, tmp_path: Path
) -> None:
    """The key frame is missing: the first pictures are whole after the first recovery point.

    In some places, pictures after a recovery point refer to more than one that is missing.
    """
    path = refreshed(tmp_path / "a.ts", _COUNT, codec=codec, drop=range(missing))
    found = _sampled(path, choose(open_video(path), 0.1, decode))
    numbers = [number for _, number in found]
    first_point = -(-missing // EVERY) * EVERY
    assert first_point < numbers[0] < first_point + EVERY
    assert numbers == list(range(numbers[0], _COUNT)), "each picture, and each is right"
    assert all(time_s == pytest.approx((n - missing) / 10, abs=2e-3) for time_s, n in found)


def test_after_damage_pictures_are_whole_from_the_next_recovery_point_on(tmp_path: Path) -> None:
    damaged = 2 * EVERY + 5
    path = refreshed(tmp_path / "a.mkv", _COUNT, spoilt=[damaged])
    video = open_video(path)
    found = [
        (round(each.media_s * 10), number_of(each.small(WIDTH, HEIGHT)))
        for each in video.samples(Plan("all", 0.1, ""))
    ]
    assert all(number == time for time, number in found)
    times = [time for time, _ in found]
    whole = times[damaged]
    assert 3 * EVERY < whole <= 4 * EVERY
    assert times == [*range(damaged), *range(whole, _COUNT)]
    (skip,) = video.skipped
    assert [skip.from_s, skip.to_s] == pytest.approx([damaged / 10, whole / 10])


def test_damage_is_found_where_no_key_frame_has_been(tmp_path: Path) -> None:
    damaged = 2 * EVERY + 5
    path = refreshed(tmp_path / "a.mkv", _COUNT, drop=[0], spoilt=[damaged])
    video = open_video(path)
    found = [number_of(each.small(WIDTH, HEIGHT)) for each in video.samples(Plan("all", 0.1, ""))]
    first, whole = found[0], found[damaged - found[0]]
    assert EVERY < first < 2 * EVERY
    assert 3 * EVERY < whole <= 4 * EVERY
    assert found == [*range(first, damaged), *range(whole, _COUNT)]
    assert len(video.skipped) == 1


def test_pictures_that_the_decoder_withholds_come_again(tmp_path: Path) -> None:
    """After a lost packet FFmpeg returns none of an H.265 stream that began without a key frame."""
    path = refreshed(tmp_path / "a.mkv", 200, codec="libx265", drop=[0, 65])
    video = open_video(path)
    found = [number_of(each.small(WIDTH, HEIGHT)) for each in video.samples(Plan("all", 0.1, ""))]
    assert found == sorted(set(found))
    assert len(found) >= 90
    assert found[-1] == 199
    assert len(video.skipped) == 1


def test_the_shared_recording_gets_every_sample(shared_data: Path) -> None:
    video = open_video(shared_data / "odd" / "07-intra-refresh" / "intra22.mp4")
    found = [round(sample.media_s, 2) for sample in video.samples(choose(video, _SAMPLE_S))]
    assert found == [*(2.0 * number for number in range(11)), 21.9]
    assert video.skipped == []


@pytest.mark.parametrize(
    ("codec", "name"), [("libx264", "a.mp4"), ("libx264", "a.ts"), ("libx265", "a.mkv")]
)
def test_pictures_are_read_by_time_only_once_they_are_whole(
    codec: str, name: str, tmp_path: Path
) -> None:
    """Also shortly after the recovery point that a seek finds."""
    video = open_video(refreshed(tmp_path / name, 400, codec=codec))
    wanted = [205, 223, 339, 361]
    found = [number_of(sample.image()) for sample in video.read([each / 10 for each in wanted])]
    assert found == wanted
