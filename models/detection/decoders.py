"""Decoders of detector outputs, one function for each family.

Boxes are in pixels of the network's input, before non-maximum suppression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from models.detection.letterbox import Fit
from models.errors import ModelError
from models.families import DetectorFamily

Floats = NDArray[np.float32]
Outputs = Mapping[str, NDArray[Any]]
"""One image's outputs by name, without the batch axis, in the model's order."""

_STRIDES = (8, 16, 32)  # of the three feature maps of YOLO detectors, pixels


@dataclass(frozen=True, slots=True)
class Query:
    """Input size and thresholds for a decoder.

    Attributes:
        width: Width of the network's input, pixels.
        height: Height of the network's input, pixels.
        confidence: Detections below this are left out.
        multi_label: Whether one box may stand for several classes (as usual in COCO evaluation) or
            for its best class only.
    """

    width: int
    height: int
    confidence: float
    multi_label: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """Preparation of a family's input and decoding of its output.

    Attributes:
        decode: The decoder.
        fit: How the image lies in the input.
        scale: Factor on the 8-bit values.
        rgb: Whether channels are red, green, blue; blue, green, red otherwise.
        nms_iou: Overlap above which duplicates are suppressed, as in the authors' evaluation;
            ``None`` where the network leaves no duplicates.
    """

    decode: Callable[[Outputs, Query], sv.Detections]
    fit: Fit
    scale: float
    rgb: bool
    nms_iou: float | None


def decode_ultralytics(outputs: Outputs, query: Query) -> sv.Detections:
    """Decode YOLOv8, YOLO11 and YOLO26 exports without NMS: ``(4 + classes, anchors)``, xywh."""
    table = _only(outputs)
    anchor, class_id, confidence = _pick(table[4:], query)
    return _detections(_corners(table[:4, anchor].T), confidence, class_id)


def decode_ultralytics_nms(outputs: Outputs, query: Query) -> sv.Detections:
    """Decode exports with NMS or end-to-end heads: ``(n, 6)`` x1, y1, x2, y2, confidence, class."""
    table = _only(outputs)
    table = table[table[:, 4] >= query.confidence]
    return _detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def decode_yolox(outputs: Outputs, query: Query) -> sv.Detections:
    """Decode YOLOX: ``(anchors, 5 + classes)``, cell offsets, log sizes, objectness, classes.

    Source: Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv 2107.08430.
    """
    table = _only(outputs)
    anchor, class_id, confidence = _pick((table[:, 5:] * table[:, 4:5]).T, query)
    grid, stride = _cells(query.width, query.height)
    centre = (table[anchor, :2] + grid[anchor]) * stride[anchor]
    size = np.exp(table[anchor, 2:4]) * stride[anchor]
    return _detections(_corners(np.hstack([centre, size])), confidence, class_id)


def decode_detr(outputs: Outputs, query: Query) -> sv.Detections:
    """Decode RT-DETR and D-FINE in any of three export formats.

    The formats are ``labels, boxes, scores`` (the authors' own export; boxes in input pixels, since
    the input's size is given as the target size), logits and normalised boxes (``logits``,
    ``pred_boxes``), and one table of normalised boxes and class probabilities (Ultralytics).
    Sources: Zhao et al., DETRs Beat YOLOs on Real-time Object Detection, arXiv 2304.08069; Peng et
    al., D-FINE, arXiv 2410.13842.
    """
    if {"labels", "boxes", "scores"} <= outputs.keys():
        scores = outputs["scores"].astype(np.float32)
        keep = scores >= query.confidence
        corners = outputs["boxes"][keep].astype(np.float32)
        return _detections(corners, scores[keep], outputs["labels"][keep].astype(np.int64))
    if len(outputs) == 1:
        table = _only(outputs)
        boxes, probabilities = table[:, :4], table[:, 4:]
    else:
        boxes, logits = _boxes_and_logits(outputs)
        probabilities = _sigmoid(logits)
    item, class_id, confidence = _pick(probabilities.T, query)
    pixels = boxes[item] * np.array([query.width, query.height] * 2, np.float32)
    return _detections(_corners(pixels), confidence, class_id)


FAMILIES: dict[DetectorFamily, Family] = {
    "ultralytics": Family(decode_ultralytics, "centre", 1 / 255, rgb=True, nms_iou=0.7),
    "ultralytics-nms": Family(decode_ultralytics_nms, "centre", 1 / 255, rgb=True, nms_iou=None),
    "yolox": Family(decode_yolox, "corner", 1.0, rgb=False, nms_iou=0.65),
    "detr": Family(decode_detr, "stretch", 1 / 255, rgb=True, nms_iou=None),
}


def infer_family(shapes: Mapping[str, Sequence[int]], width: int, height: int) -> DetectorFamily:
    """Infer the family from the shapes of a model's outputs.

    Args:
        shapes: Output shapes by name, batch axis included, for one image.
        width: Width of the input for these outputs, pixels.
        height: Height of that input, pixels.

    Raises:
        ModelError: No family fits.
    """
    anchors = sum((width // s) * (height // s) for s in _STRIDES)
    tensors = list(shapes.values())
    if {"labels", "boxes", "scores"} <= shapes.keys():
        return "detr"
    if len(tensors) == 2 and all(len(shape) == 3 for shape in tensors):
        if any("box" in name for name in shapes) and any("logit" in name for name in shapes):
            return "detr"
    elif len(tensors) == 1 and len(tensors[0]) == 3:
        _, rows, columns = tensors[0]
        if columns == anchors and rows > 4:
            return "ultralytics"
        if rows == anchors and columns > 5:
            return "yolox"
        if columns == 6:
            return "ultralytics-nms"
        if columns > 4 and rows < anchors:
            return "detr"
    listed = ", ".join(f"{name} {'x'.join(map(str, s))}" for name, s in shapes.items())
    raise ModelError(
        f"the model's family cannot be inferred from its outputs ({listed}, for an input of "
        f"{width}x{height}); supported are detectors of the families {', '.join(FAMILIES)}: "
        "if it is one of them, name the family"
    )


def _pick(scores: Floats, query: Query) -> tuple[NDArray[np.intp], NDArray[np.int64], Floats]:
    """Return anchor, class and confidence above the threshold, from ``(classes, anchors)``."""
    if query.multi_label:
        class_id, anchor = np.nonzero(scores >= query.confidence)
    else:
        anchor = np.flatnonzero(scores.max(axis=0, initial=-np.inf) >= query.confidence)
        class_id = scores[:, anchor].argmax(axis=0)
    return anchor, class_id.astype(np.int64), scores[class_id, anchor]


def _sigmoid(logits: Floats) -> Floats:
    """Return the logistic function, clipped where it is 0 or 1 in float32 against overflow."""
    return (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32, copy=False)


def _only(outputs: Outputs) -> Floats:
    """Return the only output."""
    (output,) = outputs.values()
    return output.astype(np.float32, copy=False)


def _corners(xywh: Floats) -> Floats:
    """Convert centre and size to corners, ``(n, 4)``."""
    half = xywh[:, 2:] / 2
    return np.hstack([xywh[:, :2] - half, xywh[:, :2] + half])


def _cells(width: int, height: int) -> tuple[Floats, Floats]:
    """Return the top left corner of each grid cell, in cells, and its stride, level by level."""
    grids, strides = [], []
    for stride in _STRIDES:
        columns, rows = width // stride, height // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        grids.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((columns * rows, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _boxes_and_logits(outputs: Outputs) -> tuple[Floats, Floats]:
    boxes = [value for name, value in outputs.items() if "box" in name]
    logits = [value for name, value in outputs.items() if "logit" in name]
    if len(boxes) != 1 or len(logits) != 1:
        raise ModelError(f"outputs {', '.join(outputs)} are not boxes and logits of a DETR")
    return boxes[0].astype(np.float32, copy=False), logits[0].astype(np.float32, copy=False)


def _detections(
    boxes: NDArray[np.floating], confidence: Floats, class_id: NDArray[np.int64]
) -> sv.Detections:
    return sv.Detections(xyxy=boxes, confidence=confidence, class_id=class_id)
