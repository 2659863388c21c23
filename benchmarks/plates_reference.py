"""Published plate readers beside which the own one is measured; none of them is part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from models.detection.nms import suppress
from models.plates.detector import FoundPlate

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_HYPERLPR_SIDE_PX = 640
_HYPERLPR_CONFIDENCE, _HYPERLPR_IOU = 0.5, 0.5  # the authors' own
_LIMIT = 20
# The classes of plate_rec_color, in the authors' order; the first is CTC's blank.
_COLOR_CLASSES = (
    "#京沪津渝冀晋蒙辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新学警港澳挂使领民航危"
    "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ险品"
)
_COLOR_MEAN, _COLOR_STD = 0.588, 0.193


class Finder(Protocol):
    """Finds plates in a picture, the most confident first."""

    def __call__(self, image: Image) -> list[FoundPlate]:
        """Find the plates of a BGR picture."""
        ...


class Reader(Protocol):
    """Reads a plate cut out of a picture."""

    def __call__(self, plate: Image) -> str:
        """Read a BGR picture of a plate."""
        ...


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class HyperLprFinder:
    """HyperLPR's detector y5fu (Apache-2.0): YOLOv5 with four corners, one or two lines."""

    def __init__(self, path: Path) -> None:
        self._net = _session(path)

    def __call__(self, image: Image) -> list[FoundPlate]:
        """Find the plates of a BGR picture."""
        side = _HYPERLPR_SIDE_PX
        scale = side / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale)
        canvas = np.zeros((side, side, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        blob = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)
        (rows,) = self._net.run(None, {self._net.get_inputs()[0].name: blob})
        found = rows[0][rows[0][:, 4] > _HYPERLPR_CONFIDENCE]
        scores = (found[:, 13:15] * found[:, 4:5]).max(axis=1)
        low, high = found[:, :2] - found[:, 2:4] / 2, found[:, :2] + found[:, 2:4] / 2
        boxes = np.concatenate([low, high], axis=1) / scale
        kinds = np.zeros(len(boxes), np.int64)
        kept = suppress(boxes, scores, kinds, _HYPERLPR_IOU, _LIMIT)
        return [
            FoundPlate(
                (float(x1), float(y1), float(x2), float(y2)),
                (found[k, 5:13].reshape(4, 2) / scale).astype(np.float32),
                float(scores[k]),
            )
            for k, (x1, y1, x2, y2) in zip(kept, boxes[kept], strict=True)
        ]


class ColorReader:
    """plate_rec_color: a CRNN without recurrence, decoded by CTC."""

    def __init__(self, path: Path) -> None:
        self._net = _session(path)

    def __call__(self, plate: Image) -> str:
        """Read a BGR picture of a plate; two lines are laid side by side first."""
        height, width = plate.shape[:2]
        if width < 2.5 * height:
            lower = plate[height // 3 :]
            upper = cv2.resize(plate[: height * 5 // 12], (lower.shape[1], lower.shape[0]))
            plate = np.hstack([upper, lower]).astype(np.uint8)
        picture = cv2.resize(plate, (168, 48)).astype(np.float32) / 255
        blob = ((picture - _COLOR_MEAN) / _COLOR_STD).transpose(2, 0, 1)[None]
        logits = self._net.run(None, {"input": blob.astype(np.float32)})[0][0]
        return _collapsed(logits.argmax(axis=1).tolist())


def _collapsed(classes: list[int]) -> str:
    text, last = "", 0
    for each in classes:
        if each and each != last:
            text += _COLOR_CLASSES[each]
        last = each
    return text


class OmzReader:
    """license-plate-recognition-barrier-0007 of Intel's Open Model Zoo (Apache-2.0): LPRNet."""

    def __init__(self, path: Path) -> None:
        import openvino

        core = openvino.Core()
        self._net = core.compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": 1})
        self._labels = path.with_suffix(".labels.txt").read_text(encoding="utf-8").split()

    def __call__(self, plate: Image) -> str:
        """Read a BGR picture of a plate."""
        blob = cv2.resize(plate, (94, 24)).transpose(2, 0, 1)[None].astype(np.float32)
        result = self._net([blob])
        classes = next(iter(result.values())).reshape(-1).astype(int).tolist()
        if -1 in classes:
            classes = classes[: classes.index(-1)]
        return "".join(self._labels[each] for each in classes)
