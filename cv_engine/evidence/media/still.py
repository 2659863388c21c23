"""Stills: the frame that shows a violation best, and the part of it to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

from cv_engine.evidence.errors import EvidenceError

Image = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
PERSONS = frozenset({"person", "rider", "pedestrian"})
Role = Literal["start", "between", "limit", "end", "plate"]

SAME_IOU = 0.5  # a detection that overlaps the case's box by this much is the thing itself
_HOLDS = 0.9  # of a part, so that boxes may be loose
_SHARPNESS_SIDE_PX = 256  # boxes are compared at one size, so that noise of large ones counts less
_CLEAR_MARGIN = 0.05  # share of the box; frames this close in occlusion count as equally clear
_OCCLUSION_GRID = 64  # cells per side of the box: finer than the accuracy of any detector
_CLOSE_UP_MARGIN = 0.35  # of the box's longer side: shows the ground and the surroundings
_CLOSE_UP_LEAST_PX = 96  # least size of a close-up: a tiny thing needs its surroundings


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One frame that may serve as evidence.

    Attributes:
        role: Moment of the violation: its start, the time between, the limit or soon after it, its
            end, or when the thing was last seen; or the plate, seen close.
        time: When the frame was taken, timezone-aware UTC.
        image: The whole frame, uint8 (H, W, 3) BGR.
        box: The violation, ``(x1, y1, x2, y2)`` in pixels of ``image``.
        others: Persons and vehicles detected in the frame, named by ``data["class_name"]``; may
            include the violation itself.
    """

    role: Role
    time: datetime
    image: Image
    box: Box
    others: sv.Detections

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise EvidenceError(f"the still of the {self.role} has a time without time zone")
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise EvidenceError(
                f"the still of the {self.role} must be a uint8 (H, W, 3) picture, not "
                f"{self.image.dtype} {self.image.shape}"
            )
        height, width = self.image.shape[:2]
        x1, y1, x2, y2 = self.box
        if not (max(x1, 0) < min(x2, width) and max(y1, 0) < min(y2, height)):
            raise EvidenceError(
                f"the box {self.box} lies outside the {width} x {height} still of the {self.role}"
            )


def sharpness(image: Image, box: Box) -> float:
    """Measures how sharp the part of a picture inside ``box`` is.

    The measure is the mean squared Sobel gradient (Tenengrad: Krotkov, "Focusing", IJCV 1987) at
    one size, so that pictures of the same thing are comparable.

    Args:
        image: uint8 (H, W, 3) BGR.
        box: ``(x1, y1, x2, y2)`` in pixels.

    Returns:
        Squared grey levels; larger is sharper. 0 if the box contains no pixel.
    """
    height, width = image.shape[:2]
    x1, y1 = max(0, int(box[0])), max(0, int(box[1]))
    x2, y2 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 >= x2 or y1 >= y2:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(image[y1:y2, x1:x2]), cv2.COLOR_BGR2GRAY)
    shrink = _SHARPNESS_SIDE_PX / max(grey.shape)
    if shrink < 1:
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return float(np.mean(across * across + down * down))


def occlusion(box: Box, others: sv.Detections) -> float:
    """Estimates the share of a thing that is hidden by things in front.

    On level ground, things nearer to the camera reach further down in the picture, so a detection
    hides the thing where the two overlap and the detection ends further down. Detections of the
    thing itself (intersection over union of at least `SAME_IOU`) hide nothing.

    Args:
        box: The thing, ``(x1, y1, x2, y2)`` in pixels.
        others: Other detections in the same picture.

    Returns:
        The hidden share of the box, 0 to 1.
    """
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return 0.0
    columns = x1 + (np.arange(_OCCLUSION_GRID) + 0.5) * (x2 - x1) / _OCCLUSION_GRID
    rows = y1 + (np.arange(_OCCLUSION_GRID) + 0.5) * (y2 - y1) / _OCCLUSION_GRID
    hidden = np.zeros((_OCCLUSION_GRID, _OCCLUSION_GRID), dtype=bool)
    for other in others.xyxy[others_than(box, others) & (others.xyxy[:, 3] > y2)]:
        across = (columns >= other[0]) & (columns < other[2])
        down = (rows >= other[1]) & (rows < other[3])
        hidden |= down[:, None] & across[None, :]
    return float(hidden.mean())


def others_than(box: Box, detections: sv.Detections) -> npt.NDArray[np.bool_]:
    """Marks the detections that are not the thing in ``box`` itself.

    Args:
        box: ``(x1, y1, x2, y2)`` in pixels.
        detections: N detections.

    Returns:
        Boolean array (N,).
    """
    if len(detections) == 0:
        return np.zeros(0, dtype=bool)
    overlap = sv.box_iou_batch(np.array([box], dtype=np.float32), detections.xyxy)[0]
    return np.asarray(overlap < SAME_IOU, dtype=bool)


def choose(candidates: Sequence[Still]) -> Still:
    """Picks the still that shows the violation best.

    The sharpest of the least hidden candidates (within `_CLEAR_MARGIN` of the best) is returned;
    the first of several equals.

    Args:
        candidates: At least one still.

    Raises:
        EvidenceError: There is no candidate.
    """
    return max(_clear(candidates), key=lambda still: sharpness(still.image, still.box))


def choose_first(candidates: Sequence[Still]) -> Still:
    """Picks the still that shows that a limit has passed.

    The first of the least hidden candidates is returned: the thing may leave soon after.

    Args:
        candidates: At least one still, none of them from before the limit.

    Raises:
        EvidenceError: There is no candidate.
    """
    return min(_clear(candidates), key=lambda still: still.time)


def choose_last(candidates: Sequence[Still]) -> Still:
    """Picks the still that shows how long a violation lasted.

    The last of the least hidden candidates is returned: one that is a second too early is no
    proof of a dwell, however sharp it is.

    Args:
        candidates: At least one still.

    Raises:
        EvidenceError: There is no candidate.
    """
    return max(_clear(candidates), key=lambda still: still.time)


def _clear(candidates: Sequence[Still]) -> list[Still]:
    """The least hidden candidates, within `_CLEAR_MARGIN` of the best.

    Where the detector sees the thing in some of them, the others are left out: they may be from
    before it came, or from after it left.
    """
    if not candidates:
        raise EvidenceError("there is no still to choose from: pass at least one candidate")
    seen = [still for still in candidates if _is_seen(still)] or candidates
    hidden = [occlusion(still.box, still.others) for still in seen]
    clear = min(hidden) + _CLEAR_MARGIN
    return [still for still, share in zip(seen, hidden, strict=True) if share <= clear]


def _is_seen(still: Still) -> bool:
    """Whether the detector sees a thing in the box of the case, not only somebody there."""
    own = ~others_than(still.box, still.others)
    names = still.others.data.get("class_name", np.full(len(own), ""))
    return bool((own & ~np.isin(names, sorted(PERSONS))).any())


def around(box: Box, detections: sv.Detections) -> npt.NDArray[np.bool_]:
    """Marks the detections that hold a part of a thing, such as the vehicle of a plate.

    Args:
        box: The part, ``(x1, y1, x2, y2)`` in pixels.
        detections: N detections.

    Returns:
        Boolean array (N,): whether the detection covers nearly all of the part.
    """
    left = np.maximum(detections.xyxy[:, :2], np.array(box[:2], np.float32))
    right = np.minimum(detections.xyxy[:, 2:], np.array(box[2:], np.float32))
    covered = np.clip(right - left, 0, None).prod(axis=1)
    return np.asarray(covered >= _HOLDS * (box[2] - box[0]) * (box[3] - box[1]), dtype=bool)


def close_up_window(still: Still) -> tuple[int, int, int, int]:
    """Returns the part of a still that the close-up shows.

    Returns:
        ``(x1, y1, x2, y2)`` in whole pixels, inside the picture.
    """
    height, width = still.image.shape[:2]
    x1, y1, x2, y2 = still.box
    margin = _CLOSE_UP_MARGIN * max(x2 - x1, y2 - y1)
    left, right = _span(x1 - margin, x2 + margin, width)
    top, bottom = _span(y1 - margin, y2 + margin, height)
    return left, top, right, bottom


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """Clips a span to the picture and widens it to the least size of a close-up."""
    low, high = max(0.0, low), min(float(size), high)
    wanted = min(size, max(round(high - low), _CLOSE_UP_LEAST_PX))
    first = round((low + high - wanted) / 2)
    first = min(max(first, 0), size - wanted)
    return first, first + wanted


def crop(still: Still, window: tuple[int, int, int, int]) -> Still:
    """Cuts a window out of a still, with boxes in pixels of the window.

    Args:
        still: A still.
        window: ``(x1, y1, x2, y2)`` in whole pixels, inside the picture and around the box.

    Returns:
        A still with a copy of that part's pixels, unchanged.
    """
    x1, y1, x2, y2 = window
    shift = np.array([x1, y1, x1, y1], dtype=still.others.xyxy.dtype)
    left, top, right, bottom = still.box
    return replace(
        still,
        image=np.ascontiguousarray(still.image[y1:y2, x1:x2]),
        box=(left - x1, top - y1, right - x1, bottom - y1),
        others=replace(still.others, xyxy=still.others.xyxy - shift),
    )


def close_up(still: Still) -> Still:
    """Cuts the violation out of a still, with a margin that shows the surroundings."""
    return crop(still, close_up_window(still))
