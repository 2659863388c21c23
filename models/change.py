"""Detection of changes between two images of the same ground by a learned network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import onnx
import onnx.utils
from numpy.typing import NDArray

from models.errors import ModelError
from models.files import sha256_of
from models.platt import Platt
from models.registry.weights import Weights, cache_folder, fetch, is_intact, locked, store
from models.runtime.graph import PAIR, inspect
from models.runtime.runtime import Backend, Precision, Runtime, load
from models.tuning.autotune import choose

Floats = NDArray[np.float32]

_APPEARED, _GONE = "appeared", "gone"
STRIDE_PX = 8  # the decoder doubles the size three times


class ChangeNetwork:
    """A loaded change network, for use by one thread at a time.

    The ONNX file's metadata has ``resolution_m``, ``calibration`` (written by
    :meth:`models.platt.Platt.to_text`), ``imgsz`` (``[256, 256]``), ``licence`` and ``training``.

    Example:
        >>> network = open_change_network("tinycd")  # doctest: +SKIP
        >>> appeared, gone = network(before[None], after[None])  # doctest: +SKIP
        >>> appeared[0] > 0.5  # the new buildings  # doctest: +SKIP

    Attributes:
        weights: The model's weights and description.
        runtime: The loaded model.
        side_px: Side of the training tiles, pixels.
        resolution_m: Side of a pixel of these tiles on the ground, metres; ``None`` if unknown.
        calibration: The correction that makes the probabilities true.
        both: Whether the network also detects what is gone.
    """

    def __init__(self, weights: Weights, runtime: Runtime) -> None:
        graph = runtime.graph
        if graph.task != "change" or _APPEARED not in graph.outputs:
            raise ModelError(
                f"{graph.path}: no change network: inputs are {' and '.join(graph.images)}, "
                f"outputs {', '.join(graph.outputs)}; expected are {' and '.join(PAIR)}, and "
                f"'{_APPEARED}'"
            )
        self.weights = weights
        self.runtime = runtime
        self.side_px = graph.side_px
        self.resolution_m = _resolution(runtime)
        text = graph.metadata.get("calibration")
        self.calibration = Platt.from_text(text) if text else Platt()
        self.both = _GONE in graph.outputs

    @property
    def name(self) -> str:
        """Name in the manifest, or the file's stem."""
        return self.weights.spec.name

    @property
    def digest(self) -> str:
        """The weights' SHA-256 and the precision, as ``"<hex>+bf16"``."""
        return f"{self.weights.sha256}+{self.runtime.precision}"

    def __call__(self, before: NDArray[Any], after: NDArray[Any]) -> tuple[Floats, Floats]:
        """Compare pairs of images.

        Args:
            before: RGB ``(n, height, width, 3)``, uint8 or float32 0 to 1; height and width in
                multiples of 8.
            after: The same places at the later date, of the same shape and type.

        Returns:
            For each pixel, float32 ``(n, height, width)``, the probability 0 to 1 that a building
            appeared, and that one is gone (0 throughout for a network without that output).

        Raises:
            ModelError: The images are of another shape or type, or the model fails.
        """
        _check(before, after)
        batches = [_planes(images) for images in (before, after)]
        outputs = self.runtime.run(*batches)
        found = dict(zip(self.runtime.graph.outputs, outputs, strict=True))
        appeared = self._probability(found[_APPEARED], before.shape)
        if not self.both:
            return appeared, np.zeros_like(appeared)
        return appeared, self._probability(found[_GONE], before.shape)

    def _probability(self, output: NDArray[Any], shape: tuple[int, ...]) -> Floats:
        if output.shape != (shape[0], 1, *shape[1:3]):
            raise ModelError(
                f"{self.runtime.graph.path}: the output is {output.shape} for images {shape}; "
                "expected is one probability per pixel, (n, 1, height, width)"
            )
        return self.calibration(np.asarray(output[:, 0], np.float32))


def open_change_network(
    model: str | Path = "tinycd",
    *,
    backend: Backend | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
    threads: int = 1,
    both: bool = True,
    cache: Path | None = None,
) -> ChangeNetwork:
    """Open a change network.

    Args:
        model: A name of the manifest (fetched on first use), the path of an ONNX file, or the path
            of a checkpoint whose SHA-256 is in the manifest.
        backend: ``"openvino"``, ``"onnxruntime"`` or ``"auto"``, the faster of both here.
        precision: ``"fp32"``, ``"bf16"``, ``"int8"`` (once quantised, see
            :mod:`models.quantise.qdq`) or ``"auto"``.
        threads: CPU threads.
        both: Whether to detect what is gone, too, where the network can; this takes longer.
        cache: Folder of the models' cache; the user's own if left out.

    Returns:
        The network.

    Raises:
        ModelError: The weights are unknown, damaged or unsuitable, or the settings do not fit them.
    """
    weights = fetch(model, cache=cache, task="change")
    if precision == "int8":
        from models.quantise.qdq import quantised

        weights = quantised(weights, cache=cache)
    graph = inspect(weights.path)
    if not both and _GONE in graph.outputs:
        graph = inspect(_without_gone(weights.path, cache))
    runtime = load(graph, *choose(graph, backend, precision, threads, cache), threads)
    return ChangeNetwork(weights, runtime)


def _without_gone(path: Path, cache: Path | None) -> Path:
    """Return a cached copy of the network without the output of what is gone."""
    target = cache_folder(cache) / f"{path.stem}-{sha256_of(path)[:12]}-{_APPEARED}.onnx"
    with locked(target):
        if not is_intact(target):
            model = onnx.load(str(path))
            part = onnx.utils.Extractor(model).extract_model(list(PAIR), [_APPEARED])
            part.metadata_props.extend(model.metadata_props)
            store(part.SerializeToString(), target)
    return target


def _check(before: NDArray[Any], after: NDArray[Any]) -> None:
    alike = before.shape == after.shape and before.dtype == after.dtype
    pictures = before.ndim == 4 and before.shape[3] == 3 and before.dtype in (np.uint8, np.float32)
    if not alike or not pictures or not before.size:
        raise ModelError(
            f"the images are {before.dtype} of shape {before.shape} and {after.dtype} of shape "
            f"{after.shape}; give two alike, RGB (n, height, width, 3), uint8 or float32"
        )
    if before.shape[1] % STRIDE_PX or before.shape[2] % STRIDE_PX:
        raise ModelError(
            f"the images are {before.shape[2]}x{before.shape[1]} pixels; both must be multiples of "
            f"{STRIDE_PX}"
        )


def _planes(images: NDArray[Any]) -> Floats:
    """Return images as ``(n, 3, height, width)`` float32 0 to 1."""
    scale = 1 / 255 if images.dtype == np.uint8 else 1.0
    return np.asarray(cv2.dnn.blobFromImages(list(images), scale), np.float32)


def _resolution(runtime: Runtime) -> float | None:
    text = runtime.graph.metadata.get("resolution_m")
    if not text:
        return None
    try:
        metres = float(text)
    except ValueError:
        metres = 0.0
    if not 0 < metres < np.inf:
        raise ModelError(f"{runtime.graph.path}: resolution_m '{text}' is no length in metres")
    return metres
