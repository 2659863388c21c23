"""The classical detector's numbers, fitted to labelled pairs of tiles, and its F1 on tiles left out.

Each tile is judged once with numbers that were fitted to the others only, and scored as ``benchmarks
change`` does. The numbers fitted to all of them are those that the program has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.imagery.figures import at_2_m, on_tiles
from benchmarks.imagery.fit import Lesson, fitted_odds, lessons
from benchmarks.imagery.score import Pixels
from benchmarks.imagery.tiles import SHARED, Sample, load
from satellite.detection.classical import APPEARED, ClassicalDetector
from satellite.detection.roofs import BUILDING, Odds


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
    try:
        samples = load(options.data)
    except ValueError as error:  # SatelliteError is one
        print(f"change-classical: {error}", file=sys.stderr)
        return 2
    if len(samples) < 2:
        print(f"change-classical: {options.data}: one tile cannot be left out", file=sys.stderr)
        return 2
    taught = [lessons(sample) for sample in samples]
    fine, coarse, swapped = left_out(samples, taught)
    building, appeared = fitted_odds([lesson for of_one in taught for lesson in of_one])
    own = on_tiles(ClassicalDetector(building, appeared), samples).pixels
    console = Console(width=100)
    for name, fitted, has in (("building", building, BUILDING), ("appeared", appeared, APPEARED)):
        console.print(_table(name, fitted, has))
    result = {
        "f1": fine.f1,
        "precision": fine.precision,
        "recall": fine.recall,
        "f1_2m": coarse.f1,
        "f1_swapped": swapped.f1,
        "f1_fitted_to_all": own.f1,
    }
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))
    return 0


def left_out(
    samples: Sequence[Sample], taught: Sequence[Sequence[Lesson]]
) -> tuple[Pixels, Pixels, Pixels]:
    """Scores each sample with numbers fitted to the others.

    Args:
        samples: Labelled pairs.
        taught: The lessons of each.

    Returns:
        Counts at 0.5 m, at 2 m, and at 0.5 m with the dates swapped (demolition).
    """
    fine, coarse, swapped = Pixels(), Pixels(), Pixels()
    for number, sample in enumerate(samples):
        others = [one for i, of_one in enumerate(taught) if i != number for one in of_one]
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
