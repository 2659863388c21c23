from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from benchmarks.imagery.repeated_scene import repeated, write_ground
from benchmarks.imagery.tiles import Sample, load, weights_beside
from benchmarks.satellite_speed import Steps, main, measure_steps, measure_whole
from satellite.imagery.scene import open_scene


def sample() -> Sample:
    rng = np.random.default_rng(0)
    before = rng.integers(1, 255, (64, 64, 3), np.uint8)
    truth = np.zeros((64, 64), np.bool_)
    return Sample("made", before, before.copy(), truth)


STEPS = {
    "read",
    "screen",
    "network",
    "network_one_order",
    "cascade",
    "layers",
    "vectorise",
    "sorts",
}


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


def test_hours_are_those_of_all_steps_and_the_estimates() -> None:
    steps_of_one = ("read", "cascade", "layers", "vectorise", "sorts")
    rates = dict.fromkeys(steps_of_one, 50.0) | {"network": 1.0}
    steps = Steps(rates, share=0.05, once_s=62.5)
    assert steps.whole == pytest.approx(10)
    assert steps.hours(0.5, km2=100) == pytest.approx(400 * (0.1 + 0.1) / 3600)


def test_each_step_and_a_whole_comparison_are_measured(shared_data: Path, tmp_path: Path) -> None:
    tiles = load(shared_data / "satellite" / "levir")[2:3]
    weights = weights_beside(shared_data / "satellite" / "levir")
    ground = write_ground(tiles, tmp_path / "ground", 2.0)
    steps = measure_steps(ground, weights, 160, tmp_path / "steps")
    assert set(steps.mpix_s) == STEPS
    assert steps.mpix_s["sorts"] > 0
    assert steps.mpix_s["cascade"] > steps.mpix_s["network"] > 0
    assert 0 <= steps.share < 1 and steps.once_s > 0
    whole = measure_whole(ground, weights, 160, tmp_path / "whole")
    assert whole.side == 160 and whole.cpu_s > 0 and 100 < whole.peak_mb < 8000


def test_a_folder_without_tiles_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "there are no labels" in capsys.readouterr().err
