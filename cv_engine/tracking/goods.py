"""What the detector's class names say of things that no rule for vehicles reads.

Goods are things that somebody leaves: the detector's result for one, in sample after sample at one
place, is evidence that a thing stands there. Other classes only explain pixels: a train that stops
in the view is not clutter, nor is a dog that lies down.
"""

from __future__ import annotations

import numpy as np
import supervision as sv
from numpy.typing import NDArray

#: Classes of COCO that somebody may leave standing.
GOODS = frozenset(
    [
        *("backpack", "umbrella", "handbag", "suitcase", "teddy bear", "book", "bottle", "vase"),
        *("chair", "couch", "bench", "bed", "dining table", "potted plant", "toilet", "sink"),
        *("tv", "laptop", "microwave", "oven", "toaster", "refrigerator"),
        *("skis", "snowboard", "kite", "skateboard", "surfboard", "sports ball"),
    ]
)
#: Classes of COCO that explain pixels and are no goods; persons and vehicles do, too.
OTHERS = frozenset(["airplane", "train", "boat", "bird", "cat", "dog", "horse", "sheep", "cow"])

# Part of a box that lies in the box of a person or vehicle where the thing is carried or loaded.
_CARRIED_SHARE = 0.6


def carried(goods: sv.Detections, others: sv.Detections) -> NDArray[np.bool_]:
    """Which goods lie mostly inside the box of a person, vehicle or animal, shape (n,).

    Args:
        goods: Detections of goods.
        others: Detections of whatever may carry them.
    """
    if not len(goods) or not len(others):
        return np.zeros(len(goods), np.bool_)
    low = np.maximum(goods.xyxy[:, None, :2], others.xyxy[None, :, :2])
    high = np.minimum(goods.xyxy[:, None, 2:], others.xyxy[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    area = np.prod(goods.xyxy[:, 2:] - goods.xyxy[:, :2], axis=1)
    return np.asarray((common > _CARRIED_SHARE * area[:, None]).any(axis=1))
