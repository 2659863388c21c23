"""The classical detector's weights are those fitted to the tiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.change_classical import cross_validated, main
from benchmarks.imagery.fit import TrainingPair, fitted_odds, training_pairs
from benchmarks.imagery.tiles import Sample, load
from satellite.detection.classical import APPEARED
from satellite.detection.roofs import BUILDING


@pytest.fixture(scope="module")
def tiles(shared_data: Path) -> list[Sample]:
    return load(shared_data / "satellite/levir")


@pytest.fixture(scope="module")
def pairs(tiles: list[Sample]) -> list[list[TrainingPair]]:
    return [training_pairs(tile) for tile in tiles]


def test_the_program_has_the_fitted_weights(pairs: list[list[TrainingPair]]) -> None:
    fitted = fitted_odds([pair for of_tile in pairs for pair in of_tile])
    for found, has in zip(fitted, (BUILDING, APPEARED), strict=True):
        assert found.constant == pytest.approx(has.constant, abs=0.02)
        assert dict(found.weights) == pytest.approx(dict(has.weights), abs=0.02, rel=0.005)


def test_tiles_are_judged_with_weights_fitted_to_the_others(
    tiles: list[Sample], pairs: list[list[TrainingPair]]
) -> None:
    fine, coarse, swapped = cross_validated(tiles[3:6], pairs[3:6])
    assert fine.hit + fine.missed == sum(int(tile.truth.sum()) for tile in tiles[3:6])
    assert fine.f1 > coarse.f1 > swapped.f1 > 0.25


@pytest.mark.parametrize("kind", ["missing", "one tile"])
def test_bad_input_is_refused(
    kind: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "one tile":
        for date in ("A", "B", "label"):
            (tmp_path / date).mkdir()
            picture = shared_data / "satellite/levir" / date / "saras_1.png"
            (tmp_path / date / picture.name).write_bytes(picture.read_bytes())
    assert main(["--data", str(tmp_path)]) == 2
    assert "change-classical: " in capsys.readouterr().err
