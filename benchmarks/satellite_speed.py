"""How fast scenes are compared on one core, in how much memory, and how long a city takes.

A scene is made of the labelled tiles of ``--data`` among relit copies of their two dates, so that
95 % of it is unchanged, and is repeated up to the requested size, each repetition a file of its
own. Each step is timed by itself, in CPU time of a process that is bound to one core, per area
without the margins of tiles: reading (both images, aligned, normalised, masked), the screen, the
network in both orders of the dates and in one, the cascade (the screen, then the network on the
areas kept), the layers on disk, vectorising, and classifying changes, at 0.5 m and at 2 m. A
runtime's preparation for the shapes of tiles, once for a process, is excluded. The hours for a city
follow from these steps, and from the estimates made once for each pair of scenes.

Then whole comparisons run, from files to polygons, each in a process of its own whose peak memory
is measured: it must not depend on the size.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
from rich.console import Console
from rich.table import Table

from benchmarks.harness.alone import alone, peak_mb
from benchmarks.imagery.program import argument_parser, run
from benchmarks.imagery.repeated_scene import Ground, repeated, write_ground
from benchmarks.imagery.tiles import RESOLUTION_M, load, tiles_in, weights_beside
from models.change import open_change_network
from satellite.compare.comparison import TILE_PX, compare
from satellite.compare.comparison_request import ComparisonRequest, Source
from satellite.detection.cascade import CascadeDetector
from satellite.detection.network import NetworkDetector
from satellite.detection.screen import Screen
from satellite.imagery.views import Detector, Views
from satellite.layers.layers import Layers
from satellite.vector.buildings import outline
from satellite.vector.change_types import change_types_of
from satellite.vector.gaps import gaps

_COARSE_M = 2.0
_CITY_KM2 = 9816.0
_HOUR_S = 3600.0
# Size of a scene whose shifts and light are estimated once, megapixels: 50 km x 50 km at 2 m.
_SCENE_MPIX = 625.0
# The network without the probability of what is gone, as published.
_ONE_ORDER = "network_one_order"
# Calls of a network and of the cascade. The fastest counts, so that other programs disturb little.
_ROUNDS = 4
# Steps of a comparison; the cascade includes the screen and the network.
_STEPS = ("read", "cascade", "layers", "vectorise", "sorts")


@dataclass(frozen=True, slots=True)
class Steps:
    """The speed of each step.

    Attributes:
        mpix_s: Megapixels of land per CPU second, by step.
        share: Share of the pixels that the screen keeps.
        once_s: CPU seconds of estimating shifts and light, once for a scene of any size.
    """

    mpix_s: dict[str, float]
    share: float
    once_s: float

    @property
    def whole(self) -> float:
        """Megapixels per CPU second of all steps of a comparison, one after the other."""
        return 1 / sum(1 / self.mpix_s[step] for step in _STEPS)

    def hours(self, resolution_m: float, km2: float = _CITY_KM2) -> float:
        """Hours of one core for a city at a resolution."""
        mpix = km2 / resolution_m**2  # 1 km2 at 1 m is a megapixel
        return mpix * (1 / self.whole + self.once_s / _SCENE_MPIX) / _HOUR_S


@dataclass(frozen=True, slots=True)
class Whole:
    """The figures of one comparison from files to polygons.

    Attributes:
        side: Side of the scene, pixels.
        cpu_s: CPU seconds of the comparison.
        peak_mb: Peak memory of the process, MiB.
        sites: Number of changed buildings found.
    """

    side: int
    cpu_s: float
    peak_mb: float
    sites: int

    @property
    def mpix_s(self) -> float:
        """Megapixels per CPU second."""
        return self.side**2 / 1e6 / self.cpu_s


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; the last line of stdout is one JSON object.

    Returns:
        0, or 2 for bad input.
    """
    options = _options(argv)
    return run("satellite-speed", lambda: _measure(options), digits=3)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argument_parser("satellite-speed", __doc__)
    parser.add_argument(
        "--steps-side", type=int, default=4096, help="side of the scene of the steps, px"
    )
    parser.add_argument(
        "--side",
        type=int,
        nargs="*",
        default=[10_000, 20_000],
        help="sides of the scenes of whole comparisons, px; 40,000 takes 15 minutes or more",
    )
    return parser.parse_args(argv)


def _measure(options: argparse.Namespace) -> dict[str, float]:
    samples = load(tiles_in(options.data))
    weights = options.weights or weights_beside(options.data)
    coarse = options.coarse_weights or weights
    console = Console(width=120)
    wholes = []
    with TemporaryDirectory(prefix="cv-engine-bench-") as scratch:
        folder = Path(scratch)
        # In other processes: a process inherits the peak memory of the one that starts it.
        fine = alone(write_ground, samples, folder / "fine", RESOLUTION_M)
        blurred = alone(write_ground, samples, folder / "coarse", _COARSE_M)
        side = options.steps_side
        steps = {
            RESOLUTION_M: alone(measure_steps, fine, weights, side, folder / "steps"),
            _COARSE_M: alone(measure_steps, blurred, coarse, side // 4, folder / "coarse steps"),
        }
        _print_steps(console, steps)
        for whole_side in options.side:
            scene = folder / f"whole {whole_side}"
            wholes.append(alone(measure_whole, fine, weights, whole_side, scene))
            _print_whole(console, wholes[-1])
    return _flat(steps, wholes)


def measure_steps(ground: Ground, weights: str, side: int, folder: Path) -> Steps:
    """Times the steps of comparing two scenes of ``side`` x ``side`` pixels, in this process."""
    cv2.setNumThreads(1)
    before, after = repeated(ground, folder, side)
    clock: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        began = time.process_time()
        yield
        clock[step] += time.process_time() - began

    with ComparisonRequest(Source(str(before)), Source(str(after))).pair() as pair:
        grid = pair.grid
        networks = {
            step: NetworkDetector(
                open_change_network(weights, both=both), views_m=grid.resolution_m
            )
            for step, both in (("network", True), (_ONE_ORDER, False))
        }
        screen, network = Screen(), networks["network"]
        cascade = CascadeDetector(screen, network)
        layers = Layers.create(folder / "layers", grid, TILE_PX)
        tiles = list(grid.tiles(TILE_PX, network.margin_px))
        with timed("once"):
            pair.prepare()
        first = pair.read_tile(tiles[0])
        for step, judges in networks.items():
            clock[step] = min(_seconds(judges, first) for _ in range(_ROUNDS))
        for tile in tiles:
            with timed("read"):
                views = pair.read_tile(tile)
            with timed("screen"):
                screen(views)
            change = cascade(views)  # not timed: a runtime prepares for each new shape
            clock["cascade"] += min(_seconds(cascade, views) for _ in range(_ROUNDS))
            with timed("layers"):
                layers.write(tile, change, views.quality)
        with timed("layers"):
            layers.finish()
        with timed("vectorise"):
            buildings = outline(layers, grid)
            gaps(layers, grid)
        with timed("sorts"):
            change_types_of(buildings, pair, layers)
    once_s = clock.pop("once")
    land = dict.fromkeys(clock, grid.width * grid.height / 1e6)
    land |= dict.fromkeys(networks, tiles[0].core.width * tiles[0].core.height / 1e6)
    rates = {step: land[step] / max(clock[step], 1e-9) for step in clock}
    return Steps(rates, cascade.share.wanted, once_s)


def _seconds(detector: Detector, views: Views) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    detector(views)
    return time.process_time() - began


def measure_whole(ground: Ground, weights: str, side: int, folder: Path) -> Whole:
    """Times a whole comparison of two scenes of ``side`` x ``side`` pixels, in this process."""
    cv2.setNumThreads(1)
    before, after = repeated(ground, folder, side)
    request = ComparisonRequest(Source(str(before)), Source(str(after)), model=weights)
    began = time.process_time()
    comparison = compare(request, folder / "comparison")
    cpu_s = time.process_time() - began
    return Whole(side, cpu_s, peak_mb(), len(comparison.sites))


def _flat(steps: dict[float, Steps], wholes: Sequence[Whole]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for resolution_m, one in steps.items():
        suffix = "" if resolution_m == RESOLUTION_M else f"_{resolution_m:g}m"
        flat |= {f"{step}_mpix_s{suffix}": rate for step, rate in one.mpix_s.items()}
        flat[f"cascade_share{suffix}"] = one.share
        flat[f"whole_mpix_s{suffix}"] = one.whole
        flat[f"once_s{suffix}"] = one.once_s
        flat[f"hours_{resolution_m:g}m"] = one.hours(resolution_m)
    for whole in wholes:
        flat[f"peak_mb_{whole.side}"] = whole.peak_mb
        flat[f"compared_mpix_s_{whole.side}"] = whole.mpix_s
    if wholes:
        flat["peak_mb"] = max(whole.peak_mb for whole in wholes)
        flat["peak_growth"] = wholes[-1].peak_mb / wholes[0].peak_mb - 1
    return flat


def _print_steps(console: Console, steps: dict[float, Steps]) -> None:
    table = Table(title="megapixels of ground per CPU second, one core")
    table.add_column("step")
    for resolution_m in steps:
        table.add_column(f"at {resolution_m:g} m", justify="right")
    for name in next(iter(steps.values())).mpix_s:
        table.add_row(name, *(f"{one.mpix_s[name]:.2f}" for one in steps.values()))
    table.add_row("all of a comparison", *(f"{one.whole:.2f}" for one in steps.values()))
    table.add_row("kept by the screen", *(f"{one.share:.1%}" for one in steps.values()))
    table.add_row("once for a scene, CPU s", *(f"{one.once_s:.1f}" for one in steps.values()))
    times = (f"{one.hours(at):.2f} h" for at, one in steps.items())
    table.add_row(f"{_CITY_KM2:,.0f} km2", *times)
    console.print(table)


def _print_whole(console: Console, whole: Whole) -> None:
    console.print(
        f"{whole.side:,} x {whole.side:,} px: {whole.cpu_s:.0f} CPU s, {whole.mpix_s:.2f} MPix/s, "
        f"peak {whole.peak_mb:.0f} MiB, {whole.sites} buildings"
    )
