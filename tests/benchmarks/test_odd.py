from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.odd import Row
from benchmarks.oddities.reading import recorded, recorded_by_ffmpeg
from tests.video.recordings import record, times


@pytest.mark.parametrize(
    ("ffmpeg", "ours", "samples", "said", "worse", "silent"),
    [
        (30, 30, 3, "", False, False),
        (30, 30, 0, "", False, True),
        (30, 30, 0, "no parameter sets", False, False),
        (30, 20, 3, "", True, True),
        (30, 20, 3, "2 s skipped", True, False),
        (0, 30, 3, "", False, False),
        (0, 0, 0, "", False, False),
    ],
)
def test_an_input_is_worse_or_silent(
    ffmpeg: int, ours: int, samples: int, said: str, worse: bool, silent: bool
) -> None:
    row = Row("odd", ffmpeg, ours, samples, 0, "live", said)
    assert (row.is_worse, row.is_silent) == (worse, silent)


def test_every_picture_of_a_recording_is_counted(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times(25), gop=10)
    assert (recorded(path), recorded_by_ffmpeg(path)) == (25, 25)
    path.write_bytes(b"no recording")
    assert (recorded(path), recorded_by_ffmpeg(path)) == (0, 0)


def test_each_kind_of_mutated_input_has_a_benchmark(capfd: pytest.CaptureFixture[str]) -> None:
    fuzz.main(["settings", "--count", "2", "--seed", "5"])
    figures = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (figures["seed"], figures["configs"]["files"]) == (5, 2)
    with pytest.raises(SystemExit) as ended:
        fuzz.main(["weather"])
    assert ended.value.code == 2
