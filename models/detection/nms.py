"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def suppress(
    boxes: NDArray[np.floating],
    confidence: NDArray[np.floating],
    class_id: NDArray[np.integer],
    iou: float,
    limit: int,
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes: ``(n, 4)`` xyxy.
        confidence: ``(n,)``.
        class_id: ``(n,)``; boxes of different classes never suppress each other.
        iou: A box whose intersection over union with a kept one exceeds this is dropped.
        limit: Largest number of boxes to keep.

    Returns:
        Indices of the kept boxes, most confident first; equal confidences in input order.
    """
    order = np.argsort(-confidence, kind="stable")
    # Boxes of each class are moved to a range of their own, so that one pass serves all classes;
    # in double precision, so that the moved coordinates keep their fractions.
    moved = boxes[order].astype(np.float64)
    if len(moved):
        span = moved.max() - min(moved.min(), 0.0) + 1.0
        moved += (class_id[order].astype(np.float64) * span)[:, None]
    x1, y1, x2, y2 = moved.T
    area = (x2 - x1) * (y2 - y1)
    kept: list[int] = []
    rest = np.arange(len(order))
    while len(rest) and len(kept) < limit:
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        across = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        down = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        shared = np.maximum(across, 0.0) * np.maximum(down, 0.0)
        joint = area[best] + area[rest] - shared
        rest = rest[shared <= iou * joint]
    chosen: NDArray[np.intp] = order[kept] if kept else np.empty(0, np.intp)
    return chosen
