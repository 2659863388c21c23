"""Benchmark of a model on this machine, by backend and precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.errors import ModelError
from models.quantise.qdq import quantised
from models.registry.weights import Weights, fetch
from models.runtime.graph import inspect
from models.runtime.runtime import load
from models.tuning.autotune import candidates, input_shape, time_runs

_ROUNDS = 20  # runs per row; the fastest counts, which other load disturbs least


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """The speed of one backend and precision.

    Attributes:
        backend: ``"openvino"`` or ``"onnxruntime"``.
        precision: ``"fp32"``, ``"bf16"`` or ``"int8"``.
        width: Width of the input, pixels.
        height: Height of the input, pixels.
        ms_per_image: Milliseconds for one image, the network alone.
        images_per_s: Images per second at that speed.
    """

    backend: str
    precision: str
    width: int
    height: int
    ms_per_image: float
    images_per_s: float


def bench(
    name: str | Path,
    *,
    threads: int = 1,
    height: int | None = None,
    width: int | None = None,
    cache: Path | None = None,
) -> list[BenchmarkRow]:
    """Time a model with every backend and precision that runs it here.

    Args:
        name: A name of the manifest, or the path of an ONNX file.
        threads: CPU threads.
        height: Height of the input in pixels, where the model leaves it free; the height for 16:9
            footage if left out.
        width: Width of the input in pixels, in the same way.
        cache: Folder of the models' cache; the user's own if left out.

    Returns:
        One row per backend and precision, fastest first; int8 is among them once the model has been
        quantised (:mod:`models.quantise.qdq`).

    Raises:
        ModelError: The model cannot be downloaded or run.
    """
    weights = fetch(name, cache=cache)
    versions: list[Weights] = [weights]
    try:
        versions.append(quantised(weights, cache=cache))
    except ModelError:  # not quantised yet
        versions = [weights]
    graphs = [inspect(version.path) for version in versions]
    runtimes = [load(graph, *choice, threads) for graph in graphs for choice in candidates(graph)]
    high, wide = input_shape(graphs[0], height, width)
    times = time_runs(runtimes, high, wide, rounds=_ROUNDS)
    rows = [
        BenchmarkRow(runtime.backend, runtime.precision, wide, high, ms, 1e3 / ms)
        for runtime, ms in zip(runtimes, times, strict=True)
    ]
    return sorted(rows, key=lambda row: row.ms_per_image)
