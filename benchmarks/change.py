"""How well changed buildings are found, on labelled pairs of tiles (LEVIR-CD's form).

A pixel is marked where either probability (appeared, gone) is 0.5 or more. An object is a connected
group of at least 50 pixels; a labelled object is found if at least half of it is marked, and a
marked object is false if less than half of it is labelled. The network, the cascade (screen, then
network) and the classical detector are scored beside TinyCD as published, without the optimisation
used here, and a plain baseline: histogram matching, change vectors, Otsu's threshold.

Further figures: with the borders of a scene's tiles running through the samples (tiled), and with
the samples side by side as one scene (mosaic; untiled: the network over the whole scene); at 2 m
(means over 4 x 4 pixels, probabilities resampled to the fine grid); the share that the screen keeps
and discards; the cascade's time on a scene that is at least 95 % unchanged, made by scattering the
tiles among relit copies of their two dates; and scenes on disk that are shifted, warped, relit
and clouded, with each step of preparation left out in turn, scored outside clouds and shadows,
means of eight.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.imagery.figures import (
    Figures,
    across_borders,
    at_2_m,
    on_city,
    on_mosaics,
    on_scenes,
    on_swapped_dates,
    on_tiles,
    on_untiled_mosaics,
    plain_figures,
    screen_figures,
)
from benchmarks.imagery.program import argument_parser, run
from benchmarks.imagery.steps import Outcome
from benchmarks.imagery.tiles import RESOLUTION_M, Sample, load, tiles_in, weights_beside
from models.change import open_change_network
from models.convert.tinycd import build, state_of
from models.convert.torch_checkpoint import read_checkpoint
from models.files import sha256_of
from models.registry.manifest import load_manifest
from satellite.detection.cascade import CascadeDetector
from satellite.detection.classical import ClassicalDetector
from satellite.detection.network import NetworkDetector
from satellite.detection.screen import Screen
from satellite.imagery.views import Detector

Values = dict[str, float]


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; the last line of stdout is one JSON object.

    Returns:
        0, or 2 for bad input.
    """
    options = _options(argv)
    return run("change", lambda: _measure(options), digits=4)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argument_parser("change", __doc__)
    parser.add_argument("--backend", default="auto", choices=("auto", "openvino", "onnxruntime"))
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "int8"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--scenes",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also scenes on disk (default)",
    )
    return parser.parse_args(argv)


def _measure(options: argparse.Namespace) -> Values:
    samples = load(tiles_in(options.data))
    weights = options.weights or weights_beside(options.data)
    detectors = _detectors(weights, options)
    console = Console(width=120)
    figures = {name: on_tiles(detector, samples) for name, detector in detectors.items()}
    published = _as_published(weights, options)
    if published is not None:
        figures["published"] = on_tiles(published, samples)
    figures["plain"] = plain_figures(samples)
    _print_figures(console, figures, f"{len(samples)} tiles at {RESOLUTION_M} m")
    result = _flat(figures)
    coarse = detectors
    if options.coarse_weights:
        coarse = _detectors(options.coarse_weights, options)
    for title, values in (
        (
            "judged in tiles, at 2 m, and demolitions (dates swapped)",
            _at_other_scales(detectors, coarse, samples),
        ),
        ("the screen; a scene 95 % unchanged (city)", _speed(detectors["network"], samples)),
    ):
        _print_values(console, values, title)
        result |= values
    if options.scenes:
        outcomes = on_scenes(detectors, samples)
        _print_outcomes(console, outcomes)
        result |= _flat_outcomes(outcomes)
    return result


def _detectors(weights: str, options: argparse.Namespace) -> dict[str, Detector]:
    """The detectors by their names in the figures."""
    network = _network(Path(weights) if Path(weights).is_file() else weights, options)
    cascade = CascadeDetector(Screen(), network)
    return {"network": network, "cascade": cascade, "classical": ClassicalDetector()}


def _network(model: str | Path, options: argparse.Namespace) -> NetworkDetector:
    return NetworkDetector(
        open_change_network(
            model,
            backend=options.backend,
            precision=options.precision,
            threads=options.threads,
        )
    )


def _as_published(weights: str, options: argparse.Namespace) -> NetworkDetector | None:
    """TinyCD without the optimisation of :mod:`models.convert.tinycd`; ``None`` for others."""
    checkpoint = Path(weights)
    spec = load_manifest()["tinycd"]
    if not checkpoint.is_file() or sha256_of(checkpoint) != spec.sha256:
        return None
    state = state_of(read_checkpoint(checkpoint, spec.sha256))
    with TemporaryDirectory(prefix="cv-engine-bench-") as folder:
        path = Path(folder) / "published.onnx"
        path.write_bytes(build(state, exact=True, metadata=spec.metadata()).SerializeToString())
        return _network(path, options)


def _flat(figures: Mapping[str, Figures]) -> Values:
    """The figures by key; the network's keys have no prefix."""
    flat: Values = {}
    for name, one in figures.items():
        prefix = "" if name == "network" else f"{name}_"
        flat |= {
            f"{prefix}f1": one.pixels.f1,
            f"{prefix}precision": one.pixels.precision,
            f"{prefix}recall": one.pixels.recall,
            f"{prefix}iou": one.pixels.iou,
            f"{prefix}object_recall": one.objects.recall,
            f"{prefix}false_per_km2": one.objects.false_per_km2,
        }
        if not math.isnan(one.ece):
            flat[f"{prefix}ece"] = one.ece
    return flat


def _at_other_scales(
    detectors: Mapping[str, Detector], coarse: Mapping[str, Detector], samples: Sequence[Sample]
) -> Values:
    values: Values = {}
    for name, detector in detectors.items():
        prefix = "" if name == "network" else f"{name}_"
        values[f"{prefix}tiled_f1"] = across_borders(detector, samples).f1
        values[f"{prefix}mosaic_f1"] = on_mosaics(detector, samples).f1
        if isinstance(detector, NetworkDetector):
            values["mosaic_untiled_f1"] = on_untiled_mosaics(detector.network, samples).f1
        values[f"{prefix}f1_2m"] = at_2_m(coarse[name], samples).f1
        gone = on_swapped_dates(detector, samples)
        values[f"{prefix}demolition_f1"] = gone.f1
        values[f"{prefix}demolition_recall"] = gone.recall
    return values


def _speed(network: Detector, samples: Sequence[Sample]) -> Values:
    screen, city = screen_figures(samples), on_city(network, samples)
    return {
        "screen_kept": screen.kept,
        "screen_kept_single_houses": screen.single,
        "screen_discarded_unchanged": screen.discarded,
        "cascade_share": city.share,
        "cascade_speedup": city.alone_s / max(1e-9, city.cascade_s),
        "network_mpix_s": city.mpix / max(1e-9, city.alone_s),
        "cascade_mpix_s": city.mpix / max(1e-9, city.cascade_s),
        "network_city_f1": city.alone.f1,
        "cascade_city_f1": city.cascade.f1,
    }


def _flat_outcomes(outcomes: Mapping[str, Outcome]) -> Values:
    """The figures of scenes by key, such as ``scenes.no_masks.network_f1``."""
    flat: Values = {}
    for name, one in outcomes.items():
        prefix = f"scenes.{name.replace(' ', '_')}."
        flat |= {f"{prefix}{detector}_f1": f1 for detector, f1 in one.f1.items()}
        compared = one.f1_compared.items()
        flat |= {f"{prefix}{detector}_f1_compared": f1 for detector, f1 in compared}
        flat |= {f"{prefix}{detector}_offset_m": away for detector, away in one.offset_m.items()}
        flat |= {
            f"{prefix}residual_px": one.residual_px,
            f"{prefix}residual_same_px": one.residual_same_px,
            f"{prefix}masked": one.masked,
            f"{prefix}unmasked": one.unmasked,
        }
    return flat


def _print_figures(console: Console, figures: Mapping[str, Figures], title: str) -> None:
    table = Table(title=title)
    columns = (
        "precision",
        "recall",
        "F1",
        "IoU",
        "objects found",
        "false/km2",
        "calibration error",
    )
    table.add_column("detector")
    for column in columns:
        table.add_column(column, justify="right")
    for name, one in figures.items():
        pixels, objects = one.pixels, one.objects
        shares = (f"{v:.3f}" for v in (pixels.precision, pixels.recall, pixels.f1, pixels.iou))
        found = f"{objects.found} of {objects.labelled}"
        table.add_row(name, *shares, found, f"{objects.false_per_km2:.0f}", _text(one.ece, 4))
    console.print(table)


def _print_values(console: Console, values: Values, title: str) -> None:
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in values.items():
        table.add_row(name, _text(value, 3))
    console.print(table)


def _print_outcomes(console: Console, outcomes: Mapping[str, Outcome]) -> None:
    table = Table(title="scenes on disk, outside clouds and shadows")
    table.add_column("steps")
    detectors = list(next(iter(outcomes.values())).f1)
    for column in (
        *(f"{name} F1" for name in detectors),
        *(f"{name} F1, compared" for name in detectors),
        *(f"{name} off, m" for name in detectors),
    ):
        table.add_column(column, justify="right")
    for column in ("residual, px", "same ground", "clear but masked", "covered, not masked"):
        table.add_column(column, justify="right")
    for name, one in outcomes.items():
        table.add_row(
            name,
            *(_text(one.f1[detector], 3) for detector in detectors),
            *(_text(one.f1_compared[detector], 3) for detector in detectors),
            *(_text(one.offset_m[detector], 2) for detector in detectors),
            _text(one.residual_px, 2),
            _text(one.residual_same_px, 2),
            *(f"{share:.1%}" for share in (one.masked, one.unmasked)),
        )
    console.print(table)


def _text(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
