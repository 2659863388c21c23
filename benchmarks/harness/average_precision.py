"""COCO average precision: ground truth in YOLO form, an evaluator, and a published one beside it.

The evaluator follows the COCO detection challenge (Lin et al., Microsoft COCO, arXiv 1405.0312) for
boxes of all sizes: IoU 0.50 to 0.95 by 0.05, 101 recall points, the 100 most confident detections
per image and class.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_PER_IMAGE = 100  # detections per image and class that count


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one image.

    Attributes:
        xywh: ``(n, 4)`` left, top, width, height in pixels.
        class_id: ``(n,)``.
        confidence: ``(n,)``; ones for ground truth.
    """

    xywh: Floats
    class_id: NDArray[np.int64]
    confidence: Floats


@dataclass(frozen=True, slots=True)
class Score:
    """Average precision, 0 to 1: over all IoU thresholds, and at 0.50."""

    ap: float
    ap50: float


def from_detections(found: sv.Detections) -> Boxes:
    """A detector's result as boxes."""
    assert found.class_id is not None and found.confidence is not None
    corners = found.xyxy.astype(np.float64)
    xywh = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    return Boxes(xywh, found.class_id.astype(np.int64), found.confidence.astype(np.float64))


def load_truth(folder: Path) -> dict[Path, Boxes]:
    """Read a data set in YOLO form.

    Args:
        folder: Holds ``images/*`` and ``labels/*.txt`` with lines ``class x y width height``,
            centre and size as shares of the image. An image without a label file has no objects.

    Returns:
        Boxes by image, in the order of file names.

    Raises:
        ValueError: No images, or a label file that is malformed.
    """
    images = sorted(
        p for p in (folder / "images").glob("*") if p.suffix.lower() in (".jpg", ".png")
    )
    if not images:
        raise ValueError(f"{folder}: has no images/*.jpg or images/*.png")
    return {path: _labels(path, folder / "labels" / f"{path.stem}.txt") for path in images}


def _labels(path: Path, labels: Path) -> Boxes:
    rows = []
    if labels.is_file():
        for number, line in enumerate(labels.read_text(encoding="utf-8").splitlines(), 1):
            try:
                values = [float(value) for value in line.split()]
            except ValueError:
                values = []
            if len(values) != 5:
                raise ValueError(f"{labels}:{number}: not 'class x y width height': {line!r}")
            rows.append(values)
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f"{path}: not a readable image")
    height, width = image.shape[:2]
    table = np.array(rows, np.float64).reshape(-1, 5)
    centre, size = table[:, 1:3] * [width, height], table[:, 3:] * [width, height]
    return Boxes(
        np.hstack([centre - size / 2, size]), table[:, 0].astype(np.int64), np.ones(len(table))
    )


def evaluate(truth: Sequence[Boxes], found: Sequence[Boxes]) -> Score:
    """Average precision over the classes that occur in the ground truth.

    Args:
        truth: Ground truth, one per image.
        found: Detections of the same images in the same order.

    Returns:
        The score.
    """
    present = [boxes.class_id for boxes in truth]
    classes = np.unique(np.concatenate(present)) if present else np.empty(0, np.int64)
    table = np.array([_class_precision(truth, found, int(c)) for c in classes])
    if not len(table):
        return Score(float("nan"), float("nan"))
    return Score(float(table.mean()), float(table[:, 0].mean()))


def _class_precision(truth: Sequence[Boxes], found: Sequence[Boxes], class_id: int) -> Floats:
    """Average precision of one class per IoU threshold, ``(10,)``."""
    confidences, matches, objects = [], [], 0
    for real, boxes in zip(truth, found, strict=True):
        wanted = real.xywh[real.class_id == class_id]
        mine = np.flatnonzero(boxes.class_id == class_id)
        mine = mine[np.argsort(-boxes.confidence[mine], kind="stable")][:_PER_IMAGE]
        objects += len(wanted)
        confidences.append(boxes.confidence[mine])
        matches.append(_match(boxes.xywh[mine], wanted))
    order = np.argsort(-np.concatenate(confidences), kind="stable")
    hit = np.concatenate(matches, axis=1)[:, order]
    true, false = np.cumsum(hit, axis=1), np.cumsum(~hit, axis=1)
    return np.array([_interpolate(t, f, objects) for t, f in zip(true, false, strict=True)])


def _match(found: Floats, wanted: Floats) -> NDArray[np.bool_]:
    """Which detections, most confident first, hit an object of their own: ``(thresholds, n)``."""
    hit = np.zeros((len(IOU_THRESHOLDS), len(found)), np.bool_)
    overlap = _iou(found, wanted)
    for level, threshold in enumerate(IOU_THRESHOLDS):
        free = np.ones(len(wanted), np.bool_)
        for index in range(len(found)):
            candidates = np.where(free, overlap[index], -1.0)
            if not len(candidates) or candidates.max() < threshold:
                continue
            # Of equal overlaps the reference implementation takes the last.
            free[len(candidates) - 1 - candidates[::-1].argmax()] = False
            hit[level, index] = True
    return hit


def _iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes ``(n, 4)`` and ``(m, 4)`` xywh, ``(n, m)``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    union = np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None] - shared
    ratio: Floats = shared / np.maximum(union, np.finfo(float).tiny)
    return ratio


def _interpolate(true: NDArray[np.int64], false: NDArray[np.int64], objects: int) -> float:
    """Mean over 101 recalls of the best precision at that recall or beyond."""
    precision = np.maximum.accumulate((true / np.maximum(true + false, 1))[::-1])[::-1]
    at = np.searchsorted(true / objects, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(at, len(precision))].mean())


def published(
    truth: Sequence[Boxes], found: Sequence[Boxes], names: Sequence[str]
) -> tuple[Score, str]:
    """The same score by faster-coco-eval, and that library's name and version.

    Args:
        truth: Ground truth, one per image.
        found: Detections, one per image.
        names: Class names, index = class id.

    Raises:
        ImportError: The library is not installed.
    """
    import faster_coco_eval

    annotations = [
        {"image_id": image, "category_id": int(c), "bbox": box.tolist()}
        | {"area": float(box[2] * box[3]), "iscrowd": 0}
        for image, boxes in enumerate(truth, 1)
        for box, c in zip(boxes.xywh, boxes.class_id, strict=True)
    ]
    content: Mapping[str, Any] = {
        "images": [{"id": image} for image in range(1, len(truth) + 1)],
        "categories": [{"id": index, "name": name} for index, name in enumerate(names)],
        "annotations": [{"id": index, **entry} for index, entry in enumerate(annotations, 1)],
    }
    results = [
        {"image_id": image, "category_id": int(c), "bbox": box.tolist(), "score": float(score)}
        for image, boxes in enumerate(found, 1)
        for box, c, score in zip(boxes.xywh, boxes.class_id, boxes.confidence, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = faster_coco_eval.COCO(content)
        run = faster_coco_eval.COCOeval_faster(coco, coco.loadRes(results), iouType="bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    name = f"faster-coco-eval {faster_coco_eval.__version__}"
    return Score(float(run.stats[0]), float(run.stats[1])), name
