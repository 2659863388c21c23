from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.dwell import Score, Stop, main, match

BOX = np.array([10, 10, 50, 40], np.float32)


def _stop(first: int, last: int, shift: float = 0.0) -> Stop:
    return Stop({frame: BOX + np.float32(shift) for frame in range(first, last + 1)}, first)


def test_overlap_counts_in_common_frames_only() -> None:
    assert _stop(1, 10).overlap(_stop(5, 20)) == pytest.approx(1.0)
    assert _stop(1, 10).overlap(_stop(11, 20)) == 0.0
    assert _stop(1, 10).overlap(_stop(1, 10, 20.0)) == pytest.approx(200 / 2200)
    assert _stop(1, 10).overlap(_stop(1, 10, 100.0)) == 0.0


@pytest.mark.parametrize(
    ("truth", "found", "pairs"),
    [
        pytest.param([], [], 0, id="nothing"),
        pytest.param([_stop(1, 9)], [], 0, id="missed"),
        pytest.param([], [_stop(1, 9)], 0, id="made-up"),
        pytest.param([_stop(1, 9)], [_stop(3, 20)], 1, id="found"),
        pytest.param([_stop(1, 9)], [_stop(30, 40)], 0, id="another-time"),
        pytest.param([_stop(1, 9)], [_stop(1, 9, 30.0)], 0, id="another-place"),
        pytest.param([_stop(1, 9)], [_stop(1, 4), _stop(5, 9)], 1, id="one-stop-found-twice"),
        pytest.param([_stop(1, 9), _stop(20, 30)], [_stop(1, 30)], 1, id="two-stops-found-as-one"),
    ],
)
def test_every_stop_matches_once(truth: list[Stop], found: list[Stop], pairs: int) -> None:
    assert len(match(truth, found)) == pairs


def test_the_best_overlap_goes_first() -> None:
    near, exact = _stop(1, 9, 5.0), _stop(1, 9)
    assert match([_stop(1, 9)], [near, exact])[0][1] is exact


def test_shares() -> None:
    assert (Score(10, 8, 6).recall, Score(10, 8, 6).precision) == (0.6, 0.75)
    assert (Score().recall, Score().precision) == (0.0, 0.0)


@pytest.fixture(scope="module")
def part(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every 12th recording with stops and every 36th without, as folders."""
    folder = tmp_path_factory.mktemp("roadtrack")
    with tarfile.open(shared_data / "roadtrack" / "roadtrack.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    root = next(folder.rglob("P")).parent
    chosen = tmp_path_factory.mktemp("part")
    for group, step in (("P", 12), ("N", 36)):
        (chosen / group).mkdir()
        for place in sorted((root / group).iterdir())[::step]:
            place.rename(chosen / group / place.name)
    return chosen


def test_real_stops_are_found(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(part)]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert figures.keys() == {"recall", "precision", "false_stops_per_hour"}
    assert figures["recall"] >= 0.9
    assert figures["precision"] >= 0.9
    assert figures["false_stops_per_hour"] == 0
    assert any("at frame 41" in line for line in lines)


def test_two_samples_a_second_miss_no_stop(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without pixels, cars in dense traffic are confused then: only recall is tested."""
    assert main(["--data", str(part), "--every", "15"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["recall"] >= 0.85


def test_no_data_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"neither the folders P and N nor a \.tar\.xz is there"):
        main(["--data", str(tmp_path)])
