"""F1 of change networks at 2 m by cross-validation: each tile is left out once.

TinyCD fine-tuned from its published weights is compared with these weights, and with the project's
own small network, which is trained from scratch. Needs torch. The tiles are degraded to the
resolution; with ``--out``, an interrupted run is resumed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from benchmarks.imagery.tiles import SHARED, WEIGHTS
from satellite.training.settings import Architecture, Settings
from satellite.training.validation import Validation, pooled

_WANTED_F1 = 0.72  # that fine-tuning must reach by cross-validation at 2 m
_NETWORKS = get_args(Architecture)


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line of stdout is one JSON object.

    Returns:
        0; 1 where TinyCD's F1 is too low; 2 for bad input, or without torch.
    """
    options = _options(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="cv-engine-bench-") as folder:
            out = options.out or Path(folder)
            found = {name: summary(_trained(name, options, out)) for name in options.networks}
    except (ImportError, ValueError) as error:  # SatelliteError is a ValueError
        print(f"change-training: {error}", file=sys.stderr)
        return 2
    result = found.pop("tinycd", {}) | found
    print(json.dumps(result))
    return int(result.get("f1", 1.0) < _WANTED_F1)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks change-training", description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "levir")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights" / WEIGHTS)
    parser.add_argument("--networks", nargs="+", choices=_NETWORKS, default=_NETWORKS)
    parser.add_argument("--resolution-m", type=float, default=2.0)
    parser.add_argument(
        "--small-epochs",
        type=int,
        default=30,
        help="epochs of the small network; fewer than usual, so that it takes 15 minutes",
    )
    parser.add_argument("--out", type=Path, help="folder that keeps the state and the networks")
    return parser.parse_args(argv)


def _trained(name: Architecture, options: argparse.Namespace, out: Path) -> Validation:
    # Imported here, since torch is an extra.
    from satellite.training.train import Data, train

    weights = options.weights if name == "tinycd" else None
    settings = replace(
        Settings.of(name, pretrained=weights is not None), resolution_m=options.resolution_m
    )
    if name == "small":
        settings = replace(settings, epochs=options.small_epochs)
    data = Data(options.data)
    found = train(data, out / name, settings=settings, weights=weights, console=Console())
    assert found is not None  # folds are asked for
    return found


def summary(found: Validation) -> dict[str, Any]:
    """The figures by key: of all pixels, and F1 of each tile; ``before`` if weights were given."""
    after, calibrated = pooled(found.after), pooled(found.calibrated)
    figures = {
        "f1": after.f1,
        "precision": after.precision,
        "recall": after.recall,
        "iou": after.iou,
        "f1_calibrated": calibrated.f1,
        "f1_poor": pooled(found.poor_after).f1,
        "calibration_error": found.error,
        "tiles": {name: counts.f1 for name, counts in found.after.items()},
    }
    if not found.before:
        return figures
    return figures | {
        "f1_before": pooled(found.before).f1,
        "f1_poor_before": pooled(found.poor_before).f1,
        "tiles_before": {name: counts.f1 for name, counts in found.before.items()},
    }
