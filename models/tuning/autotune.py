"""Choice of the fastest backend and precision for a model, measured once and cached."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.detection.letterbox import smallest_input
from models.errors import ModelError
from models.files import sha256_of, write_atomically
from models.registry.weights import cache_folder
from models.runtime.graph import Graph
from models.runtime.runtime import Backend, Precision, Runtime, has_bf16, has_openvino, load

# Runs per candidate, in turn; the fastest counts, which other load disturbs least.
_ROUNDS = 5
_WIDE = (16, 9)  # the aspect ratio of most footage


class Choice(NamedTuple):
    """A backend and a precision."""

    backend: Backend
    precision: Precision


def candidates(
    graph: Graph,
    backend: Backend | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
) -> list[Choice]:
    """List the backends and precisions that run a model on this machine, most promising first.

    Args:
        graph: The model.
        backend: Only this backend, unless ``"auto"``.
        precision: Only this precision, unless ``"auto"``.
    """
    precisions: tuple[Precision, ...] = ("int8",) if graph.quantised else ("bf16", "fp32")
    found: list[Choice] = []
    if has_openvino():
        found += [Choice("openvino", p) for p in precisions if p != "bf16" or has_bf16()]
    if metadata_version("onnxruntime"):
        found += [Choice("onnxruntime", p) for p in precisions if p != "bf16"]
    return [
        choice
        for choice in found
        if backend in ("auto", choice.backend) and precision in ("auto", choice.precision)
    ]


def choose(
    graph: Graph,
    backend: Backend | Literal["auto"],
    precision: Precision | Literal["auto"],
    threads: int,
    cache: Path | None = None,
) -> Choice:
    """Choose backend and precision, among several by a trial whose result is cached.

    Args:
        graph: The model.
        backend: A backend, or ``"auto"``.
        precision: A precision, or ``"auto"``.
        threads: CPU threads.
        cache: Folder of the models' cache; the user's own if left out.

    Returns:
        The choice.

    Raises:
        ModelError: Nothing here can run the model as asked.
    """
    if backend != "auto" and precision != "auto":
        return Choice(backend, precision)
    possible = candidates(graph, backend, precision)
    if not possible:
        kind = "quantised model" if graph.quantised else "model"
        raise ModelError(
            f"{graph.path}: nothing here runs this {kind} with backend '{backend}' and "
            f"precision '{precision}': choose 'auto' for one of them"
        )
    if len(possible) == 1:
        return possible[0]
    note = cache_folder(cache) / f"trial-{_key(graph, possible, threads)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_text(encoding="utf-8"))["chosen"]
        remembered = Choice(kept["backend"], kept["precision"])
        if remembered in possible:
            return remembered
    runtimes = [load(graph, *choice, threads) for choice in possible]
    times = dict(zip(possible, time_runs(runtimes), strict=True))
    chosen = min(times, key=times.__getitem__)
    content = {
        "chosen": chosen._asdict(),
        "ms": {f"{c.backend} {c.precision}": round(ms, 2) for c, ms in times.items()},
    }
    with contextlib.suppress(OSError):  # without a writable cache the trial is repeated
        write_atomically(note, json.dumps(content, indent=1).encode())
    return chosen


def time_runs(
    runtimes: Sequence[Runtime],
    height: int | None = None,
    width: int | None = None,
    rounds: int = _ROUNDS,
) -> list[float]:
    """Time several runtimes on the same image, or pair of images.

    The runtimes run in turn, so that other load on the machine slows all of them alike.

    Args:
        runtimes: Runtimes of one model.
        height: Height of the input, pixels; see :func:`input_shape` if left out and free.
        width: Width of the input, pixels.
        rounds: Runs of each runtime; the fastest counts.

    Returns:
        Milliseconds per run for each runtime, without preparing the image and reading the output.
    """
    graph = runtimes[0].graph
    height, width = input_shape(graph, height, width)
    source = np.random.default_rng(0)
    images = [source.random((1, 3, height, width), np.float32) for _ in graph.images]
    for runtime in runtimes:
        runtime.run(*images)  # warms up
    times = [[_seconds(runtime, images) for runtime in runtimes] for _ in range(rounds)]
    return [min(each) * 1e3 for each in zip(*times, strict=True)]


def _seconds(runtime: Runtime, images: Sequence[NDArray[np.float32]]) -> float:
    began = time.perf_counter()
    runtime.run(*images)
    return time.perf_counter() - began


def input_shape(
    graph: Graph, height: int | None = None, width: int | None = None
) -> tuple[int, int]:
    """Return the height and width to time a model at: its own, those asked for, or the usual ones.

    The usual ones are those of 16:9 footage for detectors and of whole tiles for change networks.
    """
    if graph.fixed_size:
        return graph.fixed_size
    if height is not None and width is not None:
        return height, width
    if graph.task == "change":
        return graph.side_px, graph.side_px
    wide = smallest_input(*_WIDE, graph.side_px)
    return wide[1], wide[0]


def metadata_version(package: str) -> str | None:
    """Return the version of an installed distribution, ``None`` if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _key(graph: Graph, possible: list[Choice], threads: int) -> str:
    """Return a digest of CPU, libraries, model, threads and candidates."""
    facts = [
        cpu_name(),
        metadata_version("openvino"),
        metadata_version("onnxruntime"),
        sha256_of(graph.path),
        threads,
        [f"{c.backend} {c.precision}" for c in possible],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def cpu_name() -> str:
    """Return the CPU's model as the system names it."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        wanted = ("model name", "cpu family", "model\t", "CPU part")
        return " ".join(dict.fromkeys(line.strip() for line in lines if line.startswith(wanted)))
    return f"{platform.machine()} {platform.processor()}"
