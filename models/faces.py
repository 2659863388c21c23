"""Faces in pictures, to be hidden: CenterFace.

Y. Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2020,
arXiv:1911.03599): a heatmap of the faces' centres, with the size and the offset of each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from models.detection.nms import suppress
from models.errors import ModelError
from models.registry.weights import Weights, fetch

Image = NDArray[np.uint8]

_STRIDE_PX = 4  # of the outputs
_STEP_PX = 32  # sides of the input are multiples of this
_SMALL_SIDE_PX = 1000  # pictures with a shorter long side are enlarged: their faces are small
_ENLARGED = 2.0
_LARGEST_SIDE_PX = 1920  # larger pictures are reduced to this, for the sake of time
_IOU = 0.3  # of two faces that are one, as the authors evaluate
_LIMIT = 1000  # faces in a picture


class Faces:
    """A loaded face model; for any thread.

    Args:
        weights: Weights of the family ``centerface``.
        confidence: Faces below this are left out, 0 to 1.
        threads: CPU threads.

    Raises:
        ModelError: The file cannot be used.
    """

    def __init__(self, weights: Weights, *, confidence: float, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # the file lists weights that nothing uses
        self.weights = weights
        self.confidence = confidence
        try:
            self._session = onnxruntime.InferenceSession(
                _of_any_size(weights.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library's errors have no common base
            raise ModelError(f"{weights.path}: is no face model: {error}") from None

    @property
    def digest(self) -> str:
        """The weights' SHA-256."""
        return self.weights.sha256

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Find faces.

        Args:
            image: uint8 ``(height, width, 3)`` BGR.

        Returns:
            ``(n, 5)``: x1, y1, x2, y2 in pixels, and the confidence; the most confident first.
        """
        height, width = image.shape[:2]
        wide, high = (_input_px(side, max(height, width)) for side in (width, height))
        blob = cv2.dnn.blobFromImage(image, 1.0, (wide, high), swapRB=True)
        heat, size, offset = self._session.run(None, {"input.1": blob})[:3]
        found = _decoded(heat[0, 0], size[0], offset[0], self.confidence)
        found[:, [0, 2]] *= width / wide
        found[:, [1, 3]] *= height / high
        kept = suppress(found[:, :4], found[:, 4], np.zeros(len(found), int), _IOU, _LIMIT)
        return found[kept]


def open_faces(*, confidence: float = 0.2, threads: int = 1, cache: Path | None = None) -> Faces:
    """Open the face model.

    Args:
        confidence: Faces below this are left out, 0 to 1. Low, since a face that is missed is
            shown, and a spot that is hidden for nothing hardly matters.
        threads: CPU threads.
        cache: Folder of the models' cache; the user's own if left out.

    Raises:
        ModelUnavailable: No source gave the weights.
        ModelError: The weights are damaged.
    """
    weights = fetch("centerface", cache=cache, task="faces")
    return Faces(weights, confidence=confidence, threads=threads)


def _decoded(
    heat: NDArray[Any], size: NDArray[Any], offset: NDArray[Any], confidence: float
) -> NDArray[np.float32]:
    """Boxes and confidences, in pixels of the input.

    Args:
        heat: ``(h, w)``.
        size: ``(2, h, w)``: logarithm of height and width, in steps of the output.
        offset: ``(2, h, w)``: of the centre, downwards and to the right.
        confidence: Centres below this are left out.
    """
    rows, columns = np.nonzero(heat > confidence)
    high, wide = np.exp(size[:, rows, columns]) * _STRIDE_PX
    down, right = offset[:, rows, columns]
    x = (columns + right + 0.5) * _STRIDE_PX
    y = (rows + down + 0.5) * _STRIDE_PX
    edges = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2, heat[rows, columns])
    return np.stack(edges, axis=1).astype(np.float32)


def _input_px(side: int, longest: int) -> int:
    """The side of the input for a side of a picture, in pixels."""
    factor = _ENLARGED if longest < _SMALL_SIDE_PX else min(1.0, _LARGEST_SIDE_PX / longest)
    return max(_STEP_PX, round(side * factor / _STEP_PX) * _STEP_PX)


def _of_any_size(path: Path) -> bytes:
    """The model with free sizes: the file fixes 10 pictures of 32 by 32, which nothing in it needs.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    for value in (model.graph.input[0], *model.graph.output):
        for axis in (0, 2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
    return bytes(model.SerializeToString())
