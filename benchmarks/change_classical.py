"""Fits the classical detector to labelled pairs of tiles, and cross-validates it.

Each tile is judged once with weights fitted to the other tiles only, and scored as in ``benchmarks
change``. The program has the weights fitted to all tiles.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.imagery.figures import at_2_m, on_tiles
from benchmarks.imagery.fit import TrainingPair, fitted_odds, training_pairs
from benchmarks.imagery.program import run
from benchmarks.imagery.score import Pixels
from benchmarks.imagery.tiles import SHARED, Sample, load
from satellite.detection.classical import APPEARED, ClassicalDetector
from satellite.detection.roofs import BUILDING, Odds
from satellite.errors import SatelliteError


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; the last line of stdout is one JSON object.

    Returns:
        0, or 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="benchmarks change-classical", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=SHARED / "levir", help="the tiles (A, B, label)"
    )
    options = parser.parse_args(argv)
    return run("change-classical", lambda: _measure(options.data), digits=4)


def _measure(data: Path) -> dict[str, float]:
    samples = load(data)
    if len(samples) < 2:
        raise SatelliteError(f"{data}: cross-validation needs two tiles or more")
    pairs = [training_pairs(sample) for sample in samples]
    fine, coarse, swapped = cross_validated(samples, pairs)
    building, appeared = fitted_odds([pair for of_tile in pairs for pair in of_tile])
    own = on_tiles(ClassicalDetector(building, appeared), samples).pixels
    console = Console(width=100)
    for name, fitted, has in (("building", building, BUILDING), ("appeared", appeared, APPEARED)):
        console.print(_table(name, fitted, has))
    return {
        "f1": fine.f1,
        "precision": fine.precision,
        "recall": fine.recall,
        "f1_2m": coarse.f1,
        "f1_swapped": swapped.f1,
        "f1_fitted_to_all": own.f1,
    }


def cross_validated(
    samples: Sequence[Sample], pairs: Sequence[Sequence[TrainingPair]]
) -> tuple[Pixels, Pixels, Pixels]:
    """Scores each sample with weights fitted to the others.

    Args:
        samples: Labelled samples.
        pairs: Training pairs of each sample.

    Returns:
        Counts at 0.5 m, at 2 m, and at 0.5 m with swapped dates (demolitions).
    """
    fine, coarse, swapped = Pixels(), Pixels(), Pixels()
    for number, sample in enumerate(samples):
        others = [one for i, of_tile in enumerate(pairs) if i != number for one in of_tile]
        detector = ClassicalDetector(*fitted_odds(others))
        fine += on_tiles(detector, [sample]).pixels
        coarse += at_2_m(detector, [sample])
        swapped += on_tiles(detector, [sample.swapped()]).pixels
    return fine, coarse, swapped


def _table(name: str, fitted: Odds, has: Odds) -> Table:
    table = Table(title=f"odds of {name}, fitted to all tiles")
    for column in ("measure", "fitted", "in the program"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    table.add_row("constant", f"{fitted.constant:.2f}", f"{has.constant:.2f}")
    for measure, weight in fitted.weights.items():
        table.add_row(measure, f"{weight:.2f}", f"{has.weights[measure]:.2f}")
    return table
