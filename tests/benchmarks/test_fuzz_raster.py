from __future__ import annotations

from pathlib import Path

from benchmarks.oddities.fuzz_raster import fuzz, mutants, sound_images
from satellite.imagery.scene import open_scene


def test_mutated_images_are_compared_or_refused() -> None:
    row = fuzz(15, seed=1).row()
    faults = {kind: row[kind] for kind in ("crashes", "tracebacks", "hangs", "over_2_gb")}
    assert not any(faults.values()), faults
    assert row["compared"] + row["refused"] == 15
    assert row["refused"]


def test_sound_images_are_read(tmp_path: Path) -> None:
    for path in sound_images(tmp_path):
        with open_scene(path) as scene:
            picture, valid = scene.picture(scene.native, scene.native.window)
        assert valid.all()
        assert picture.std() > 10


def test_equal_seeds_give_equal_images(tmp_path: Path) -> None:
    sound = sound_images(tmp_path)
    once, again = (
        [path.read_bytes() for path in mutants(sound, 10, 3, tmp_path)] for _ in range(2)
    )
    assert once == again
    assert once != [path.read_bytes() for path in mutants(sound, 10, 4, tmp_path)]
