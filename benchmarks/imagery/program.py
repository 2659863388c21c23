"""What the benchmarks on labelled tiles have in common: their arguments and the last line."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.imagery.tiles import SHARED, WEIGHTS


def argument_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the arguments for tiles and networks.

    Args:
        name: Name of the benchmark.
        description: Text of ``--help``.
    """
    parser = argparse.ArgumentParser(prog=f"benchmarks {name}", description=description)
    parser.add_argument(
        "--data", type=Path, default=SHARED / "levir", help="the tiles, or a folder that has them"
    )
    parser.add_argument("--weights", help=f"name or path of the network (default: {WEIGHTS})")
    parser.add_argument("--coarse-weights", help="another network for 2 m")
    return parser


def run(name: str, measure: Callable[[], Mapping[str, float]], digits: int) -> int:
    """Runs a benchmark; the last line of stdout is one JSON object.

    Args:
        name: Name of the benchmark, for messages.
        measure: Returns the figures; NaN becomes null.
        digits: Decimal places of the figures.

    Returns:
        0, or 2 for bad input.
    """
    try:
        figures = measure()
    except ValueError as error:  # such as SatelliteError and ModelError
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    rounded = {
        key: None if math.isnan(value) else round(value, digits) for key, value in figures.items()
    }
    print(json.dumps(rounded))
    return 0
