"""The first layers of the default detector, as a description of what small pictures show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.utils
from numpy.typing import NDArray

from models.files import sha256_of
from models.registry.weights import cache_folder, fetch, is_intact, locked, store
from models.runtime.graph import inspect
from models.runtime.runtime import Runtime, load

Floats = NDArray[np.float32]

MODEL = "yolov8n"
# The backbone's blocks at 4, 8 and 16 pixels per cell, P2 to P4, as models/convert names their
# outputs, and how many channels each has.
LEVELS = ("m2.cv2", "m4.cv2", "m6.cv2")
STRIDES_PX = (4, 8, 16)
CHANNELS = (32, 64, 128)
# Pictures at once: more take memory and save nothing on one thread.
_BATCH = 16


class Backbone:
    """The loaded layers, for use by one thread at a time.

    Attributes:
        runtime: The layers as a model of their own.
        sha256: Digest of the published weights that the layers come from.
    """

    def __init__(self, runtime: Runtime, sha256: str) -> None:
        self.runtime = runtime
        self.sha256 = sha256

    def __call__(self, pictures: Floats) -> list[Floats]:
        """Describe grey pictures.

        Args:
            pictures: Grey levels 0 to 255, ``(n, side, side)``, the side a multiple of 32.

        Returns:
            For each level, the cells ``(n, channels, side / stride, side / stride)``.

        Raises:
            ModelError: The model fails.
        """
        parts = [
            self.runtime.run(_colour(pictures[begin : begin + _BATCH]))
            for begin in range(0, len(pictures), _BATCH)
        ]
        return [np.concatenate(level) for level in zip(*parts, strict=True)]


def open_backbone(*, cache: Path | None = None, threads: int = 1) -> Backbone:
    """Open the layers, which are cut from the default detector's weights once.

    Args:
        cache: Folder of the models' cache; the user's own if left out.
        threads: CPU threads.

    Raises:
        ModelError: The weights cannot be fetched or are damaged.
    """
    weights = fetch(MODEL, cache=cache, task="detect")
    graph = inspect(_cut(weights.path, cache))
    return Backbone(load(graph, "onnxruntime", "fp32", threads), weights.sha256)


def _cut(path: Path, cache: Path | None) -> Path:
    """Return a cached copy of the detector that ends after the levels."""
    target = cache_folder(cache) / f"{path.stem}-{sha256_of(path)[:12]}-p2-p4.onnx"
    with locked(target):
        if not is_intact(target):
            model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
            inputs = [value.name for value in model.graph.input]
            part = onnx.utils.Extractor(model).extract_model(inputs, list(LEVELS))
            store(part.SerializeToString(), target)
    return target


def _colour(pictures: Floats) -> Floats:
    """Return grey pictures as RGB 0 to 1, ``(n, 3, side, side)``."""
    planes = np.broadcast_to(
        (pictures / np.float32(255.0))[:, None], (len(pictures), 3, *pictures.shape[1:])
    )
    return np.ascontiguousarray(planes, np.float32)
