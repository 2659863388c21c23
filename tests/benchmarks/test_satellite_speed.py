from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from benchmarks.change_tiles import Sample
from benchmarks.repeated_scene import repeated, write_ground
from benchmarks.satellite_speed import hours, main
from satellite.scene import open_scene


def sample() -> Sample:
    rng = np.random.default_rng(0)
    before = rng.integers(1, 255, (64, 64, 3), np.uint8)
    truth = np.zeros((64, 64), np.bool_)
    return Sample("made", before, before.copy(), truth)


@pytest.mark.parametrize("resolution_m", [0.5, 2.0])
def test_a_scene_of_any_size_repeats_its_ground(tmp_path: Path, resolution_m: float) -> None:
    ground = write_ground([sample()] * 4, tmp_path / "ground", resolution_m)
    size = ground.grid.width
    before, after = repeated(ground, tmp_path / "scene", 3 * size + 5)
    with open_scene(before) as first, open_scene(after) as second:
        assert (first.width, first.height) == (3 * size + 5, 3 * size + 5)
        assert first.resolution_m == pytest.approx(resolution_m, rel=1e-3)
        assert first.acquired is not None and second.acquired is not None
        assert first.acquired < second.acquired
    with rasterio.open(before) as scene, rasterio.open(ground.before) as once:
        there = scene.read(window=Window(size, 2 * size, size, size))
        assert np.array_equal(there, once.read())
        assert scene.read(window=Window(3 * size, 0, 5, 5)).any()


@pytest.mark.parametrize(
    ("mpix_s", "resolution_m", "expected"),
    [(10.0, 0.5, 9816 * 4 / 10 / 3600), (1.0, 2.0, 9816 / 4 / 3600)],
)
def test_hours_follow_from_the_speed(mpix_s: float, resolution_m: float, expected: float) -> None:
    assert hours(mpix_s, resolution_m) == pytest.approx(expected)


def test_each_step_and_a_whole_comparison_are_measured(
    shared_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = shared_data / "satellite" / "levir"
    assert main(["--data", str(data), "--steps-side", "1024", "--side", "1024"]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    steps = ("read", "screen", "network", "cascade", "vectorise")
    assert all(result[f"{step}_mpix_s"] > 0 for step in steps)
    assert all(result[f"{step}_mpix_s_2m"] > 0 for step in steps)
    assert result["cascade_mpix_s"] > result["network_mpix_s"]
    assert 100 < result["peak_mb"] == result["peak_mb_1024"] < 4000
    assert result["hours_0.5m"] > 0 and result["hours_2m"] > 0


def test_data_that_are_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "there are no labels" in capsys.readouterr().err
