"""How fast a model runs on this machine, per backend and precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.error import ModelError
from models.graph import inspect
from models.quantise import quantised
from models.registry import Weights, fetch
from models.runtime import load
from models.trial import candidates, input_shape, milliseconds

_ROUNDS = 20  # runs per row; the fastest counts, which other work on the machine disturbs least


@dataclass(frozen=True, slots=True)
class Row:
    """One backend and precision.

    Attributes:
        backend: ``"openvino"`` or ``"onnxruntime"``.
        precision: ``"fp32"``, ``"bf16"`` or ``"int8"``.
        width: Width of the input, pixels.
        height: Height of the input, pixels.
        ms_per_image: Milliseconds for one image, the network alone.
        images_per_s: Images per second at that pace.
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
) -> list[Row]:
    """Time a model on everything here that can run it.

    Args:
        name: A name of the manifest, or the path of an ONNX file.
        threads: CPU threads.
        height: Height of the input in pixels, where the model leaves it free; that of 16:9 footage if
            left out.
        width: Width of the input, likewise.
        cache: Folder of the models' cache, if not the user's own.

    Returns:
        One row per backend and precision, fastest first; int8 is among them once the model has been
        quantised (:mod:`models.quantise`).

    Raises:
        ModelError: The model cannot be had or run.
    """
    weights = fetch(name, cache=cache)
    versions: list[Weights] = [weights]
    try:
        versions.append(quantised(weights, cache=cache))
    except ModelError:  # not quantised yet: there is nothing to time
        versions = [weights]
    rows = []
    for version in versions:
        graph = inspect(version.path)
        for choice in candidates(graph):
            runtime = load(graph, *choice, threads)
            size = input_shape(graph, height, width)
            ms = milliseconds(runtime, *size, rounds=_ROUNDS)
            rows.append(Row(choice.backend, choice.precision, size[1], size[0], ms, 1e3 / ms))
    return sorted(rows, key=lambda row: row.ms_per_image)
