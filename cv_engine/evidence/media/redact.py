"""Hides bystanders' heads and other vehicles' plates."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

from cv_engine.evidence.media.still import Box, Image, others_than

Faces = Callable[[Image], npt.NDArray[np.float32]]
"""A face model: picture uint8 (H, W, 3) BGR to face boxes (N, 4) xyxy in pixels."""

PERSONS = frozenset({"person", "rider", "pedestrian"})
VEHICLES = frozenset({"car", "truck", "bus", "van", "motorcycle", "bicycle", "train", "tricycle"})

_HEAD_HEIGHT = 0.30  # of a standing person's box: a head is 1/8 of the body, boxes are loose
_HEAD_WIDTH = 0.75  # head and neck per width of the box: covers people cut off at the waist
_HEAD_MARGIN = 0.10  # of the box, to the sides and upwards: detectors cut hair and hats
_PLATE_FROM = 0.45  # of the box's height, from the top: plates are in a vehicle's lower half
_FACE_MARGIN = 0.25  # of a face's box on each side: face models leave out ears, hair and chin
_CELLS = 4  # along a region's shorter side: too few for a face, and a plate fits into one cell
_LONG_CELLS = 10  # along the longer side, at most: cells of a wide region stay as large as a plate


def redact(image: Image, box: Box, others: sv.Detections, faces: Faces | None = None) -> Image:
    """Copies a picture with bystanders' heads and other vehicles' plates made unreadable.

    The pixels of a region are averaged to at most `_CELLS` cells along the shorter side, and the
    cells are enlarged, so that nothing can be recovered, unlike after a blur. The vehicle of the
    case stays readable: its box is not changed where another vehicle stands behind it. Persons and
    vehicles that the detector did not find are not hidden.

    Args:
        image: uint8 (H, W, 3) BGR; not changed.
        box: The case's vehicle or thing, ``(x1, y1, x2, y2)`` in pixels.
        others: Detections in the picture; ``data["class_name"]`` distinguishes persons and
            vehicles. Without names, every detection except the case's own is hidden completely.
        faces: A face model whose faces are hidden too, if there is one.

    Returns:
        A picture of the same shape.
    """
    covered = np.zeros(image.shape[:2], dtype=bool)
    result = image.copy()
    names = others.data.get("class_name")
    foreign = others_than(box, others)
    for number, other in enumerate(others.xyxy):
        x1, y1, x2, y2 = (float(v) for v in other)
        name = None if names is None else str(names[number])
        if name is None and foreign[number]:
            _hide(result, covered, (x1, y1, x2, y2), image)
        elif name in PERSONS:
            _hide(result, covered, _head((x1, y1, x2, y2)), image)
        elif name in VEHICLES and foreign[number]:
            plate = (x1, y1 + _PLATE_FROM * (y2 - y1), x2, y2)
            _hide(result, covered, plate, image, spare=box if y2 <= box[3] else None)
    if faces is not None:
        for face in faces(image):
            _hide(result, covered, _grown(face, _FACE_MARGIN), image)
    return result


def _head(box: Box) -> Box:
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    deep = min(height, max(_HEAD_HEIGHT * height, _HEAD_WIDTH * width))
    aside, above = _HEAD_MARGIN * width, _HEAD_MARGIN * height
    return x1 - aside, y1 - above, x2 + aside, y1 + deep


def _grown(face: npt.NDArray[np.float32], margin: float) -> Box:
    x1, y1, x2, y2 = (float(v) for v in face[:4])
    across, down = margin * (x2 - x1), margin * (y2 - y1)
    return x1 - across, y1 - down, x2 + across, y2 + down


def _hide(
    result: Image,
    covered: npt.NDArray[np.bool_],
    region: Box,
    image: Image,
    spare: Box | None = None,
) -> None:
    """Overwrites a region of ``result`` with its coarse average, except for ``spare``."""
    height, width = image.shape[:2]
    x1, y1 = max(0, int(np.floor(region[0]))), max(0, int(np.floor(region[1])))
    x2, y2 = min(width, int(np.ceil(region[2]))), min(height, int(np.ceil(region[3])))
    if x1 >= x2 or y1 >= y2:
        return
    coarse = _coarse(image[y1:y2, x1:x2])
    inside = ~covered[y1:y2, x1:x2]
    if spare is not None:
        rows, columns = np.arange(y1, y2), np.arange(x1, x2)
        own_rows = (rows >= spare[1]) & (rows < spare[3])
        own_columns = (columns >= spare[0]) & (columns < spare[2])
        inside &= ~(own_rows[:, None] & own_columns[None, :])
    result[y1:y2, x1:x2][inside] = coarse[inside]
    covered[y1:y2, x1:x2] |= inside


def _coarse(part: Image) -> Image:
    height, width = part.shape[:2]
    per_cell = max(1.0, min(height, width) / _CELLS, max(height, width) / _LONG_CELLS)
    cells = (max(1, round(width / per_cell)), max(1, round(height / per_cell)))
    small = cv2.resize(np.ascontiguousarray(part), cells, interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, dtype=np.uint8)
