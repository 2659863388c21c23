"""Recordings with bytes changed at random fail with a reason, or are read as far as they can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.oddities.fuzz_video import mutants, sound_recordings
from cv_engine.evidence.errors import ClipError
from cv_engine.evidence.media.clip import cut
from cv_engine.video.errors import VideoError
from cv_engine.video.sampler import choose
from cv_engine.video.source import open_video

_COUNT = 28  # four of each format; the benchmark analyses a thousand


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sound_recordings(tmp_path_factory.mktemp("sound"))


def test_the_sound_recordings_are_sound(sound: list[Path]) -> None:
    for path in sound:
        video = open_video(path)
        assert len(list(video.samples(choose(video, 1.0)))) >= 3
        assert (video.skipped, video.repairs) == ([], [])


def test_equal_seeds_give_equal_mutants(sound: list[Path], tmp_path: Path) -> None:
    first, second, other = (
        [path.read_bytes() for path in mutants(sound, 7, seed, tmp_path)] for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_mutants_raise_no_error_but_the_readers_own(sound: list[Path], tmp_path: Path) -> None:
    outcomes = set()
    for path in mutants(sound, _COUNT, 0, tmp_path):
        try:
            video = open_video(path)
            for sample in video.samples(choose(video, 1.0)):
                sample.small(64, 36)
                sample.image()
            list(video.read([0.5, 3.0]))
            outcomes.add("read")
        except VideoError as error:
            assert str(error).startswith(str(path))
            outcomes.add("refused")
        try:
            cut(path, 1.0, 3.0, tmp_path / "clip")
            outcomes.add("cut")
        except ClipError:
            outcomes.add("no clip")
    assert outcomes == {"read", "refused", "cut", "no clip"}
