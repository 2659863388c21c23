"""Hides bystanders' heads and faces, and other vehicles' plates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

from cv_engine.evidence.media.still import PERSONS, Box, Image, others_than

Faces = Callable[[Image], npt.NDArray[np.float32]]
"""A face model: picture uint8 (H, W, 3) BGR to faces (N, 5): box xyxy in pixels, confidence."""

Quad = npt.NDArray[np.float32]
"""The four corners (4, 2) of a plate, x and y in pixels."""

Plates = Callable[[Image], Sequence[Quad]]
"""A plate detector: picture uint8 (H, W, 3) BGR to the plates in it."""

People = Callable[[Image], sv.Detections]
"""A detector that looks closely: picture uint8 (H, W, 3) BGR to persons and vehicles in pixels."""

VEHICLES = frozenset({"car", "truck", "bus", "van", "motorcycle", "bicycle", "train", "tricycle"})

_HEAD_HEIGHT = 0.22  # of a standing person's box: a head is 1/8 of the body, boxes are loose
_HEAD_WIDTH = 0.5  # head and neck per width of the box: covers people cut off at the waist
_HEAD_ACROSS = 0.8  # of the box's width: the head of somebody who walks or leans is in it
_HEAD_ABOVE = 0.08  # of the box's height, above it: detectors cut hair and hats
_HEAD_MARGIN = 0.006  # of the picture's height, on each side: boxes of small people are loose
_PLATE_FROM = 0.45  # of the box's height, from the top: plates are in a vehicle's lower half
_FACE_MARGIN = 0.25  # of a face's box on each side: face models leave out ears, hair and chin
_PLATE_MARGIN = 0.15  # of a plate's box on each side: corners are found to a few pixels
_CELLS = 4  # along a region's shorter side: too few for a face, and a plate fits into one cell
_LONG_CELLS = 10  # along the longer side, at most: cells of a wide region stay as large as a plate
_PART_OF_OWN = 0.7  # share of a box within the case's box from which it is a part of the thing
_IN_FRONT = 0.05  # of the case's height: a box that ends this much lower stands in front
# From which confidence a person or a face within the thing's box is plainly somebody in front of
# it: below, folds of a sack, lettering and wheels are taken for people.
_PLAIN_PERSON = 0.4
_PLAIN_FACE = 0.6


@dataclass(frozen=True, slots=True)
class Finders:
    """What finds the people and plates to hide, beside the detections that a still has.

    Attributes:
        people: Looks closely for persons and vehicles, also small and uncertain ones.
        faces: A face model.
        plates: A plate detector.
        about: What the finders are, as JSON values for the manifest.
    """

    people: People | None = None
    faces: Faces | None = None
    plates: Plates | None = None
    about: Mapping[str, object] = field(default_factory=dict)


class Region(NamedTuple):
    """A part of a picture that is made unreadable.

    Attributes:
        box: The part, ``(x1, y1, x2, y2)`` in pixels.
        spared: Boxes within it that are not changed: what belongs to the case itself.
    """

    box: Box
    spared: tuple[Box, ...] = ()


def redact(image: Image, box: Box, others: sv.Detections, finders: Finders | None = None) -> Image:
    """Copies a picture with bystanders' heads and other vehicles' plates made unreadable.

    Args:
        image: uint8 (H, W, 3) BGR; not changed.
        box: The case's vehicle or thing, ``(x1, y1, x2, y2)`` in pixels.
        others: Detections in the picture; ``data["class_name"]`` distinguishes persons and
            vehicles. Without names, every detection except the case's own is hidden completely.
        finders: What finds more of them.

    Returns:
        A picture of the same shape.
    """
    return hide(image, regions(image, box, others, finders or Finders()))


def regions(image: Image, box: Box, others: sv.Detections, finders: Finders) -> list[Region]:
    """Finds what has to be hidden in a picture.

    The vehicle or thing of the case stays visible: within its box, only the heads of people who
    are plainly in front of it are hidden, and plates that are on other vehicles. Its own plate,
    where a plate detector finds it, is not changed at all. Persons, vehicles and plates that
    nothing finds are not hidden.

    Args:
        image: uint8 (H, W, 3) BGR.
        box: See `redact`.
        others: See `redact`.
        finders: See `redact`.
    """
    seen = list(_detected(box, others))
    if finders.people is not None:
        seen += _detected(box, finders.people(image))
    quads = [] if finders.plates is None else [_around(quad) for quad in finders.plates(image)]
    foreign = _foreign_vehicles(box, seen)
    own = _own_plate(box, quads, foreign)
    plate = () if own is None else (own,)
    margin = _HEAD_MARGIN * image.shape[0]
    found = [
        Region(part, (*rest, *plate))
        for each in seen
        for part, rest in _hidden_of(each, box, margin)
    ]
    if finders.faces is not None:
        for face in finders.faces(image):
            rest = () if face[4] >= _PLAIN_FACE else (box,)
            found.append(Region(_grown(_box(face[:4]), _FACE_MARGIN), (*rest, *plate)))
    strange = [quad for quad in quads if quad != own and _is_strange(quad, box, foreign)]
    return found + [Region(_grown(quad, _PLATE_MARGIN), plate) for quad in strange]


def hide(image: Image, found: Iterable[Region]) -> Image:
    """Copies a picture with regions made unreadable.

    The pixels of a region are averaged to at most `_CELLS` cells along the shorter side, and the
    cells are enlarged, so that nothing can be recovered, unlike after a blur.

    Args:
        image: uint8 (H, W, 3) BGR; not changed.
        found: What to hide.

    Returns:
        A picture of the same shape.
    """
    covered = np.zeros(image.shape[:2], dtype=bool)
    result = image.copy()
    for region in found:
        _hide(result, covered, region, image)
    return result


class _Seen(NamedTuple):
    """A detection, and what it is to the case."""

    box: Box
    name: str | None
    confidence: float
    is_own: bool  # the thing of the case, or a part of it


def _detected(box: Box, detections: sv.Detections) -> Iterator[_Seen]:
    names = detections.data.get("class_name")
    foreign = others_than(box, detections)
    for number, other in enumerate(detections.xyxy):
        each = _box(other)
        name = None if names is None else str(names[number])
        sure = 1.0
        if detections.confidence is not None:
            sure = float(detections.confidence[number])
        is_part = name is not None and _share_within(each, box) >= _PART_OF_OWN
        yield _Seen(each, name, sure, is_part or not foreign[number])


def _hidden_of(seen: _Seen, box: Box, margin: float) -> Iterator[tuple[Box, tuple[Box, ...]]]:
    """The part of a detection that is hidden, and what of the case's thing is not changed."""
    x1, y1, x2, y2 = seen.box
    if seen.name is None and not seen.is_own:
        yield seen.box, (box,)
    elif seen.name in PERSONS:
        yield _head(seen.box, margin), () if seen.confidence >= _PLAIN_PERSON else (box,)
    elif seen.name in VEHICLES and not seen.is_own:
        yield (x1, y1 + _PLATE_FROM * (y2 - y1), x2, y2), (box,)


def _foreign_vehicles(box: Box, seen: Sequence[_Seen]) -> list[Box]:
    """Other vehicles whose plates may be seen: what stands behind the case's vehicle is hidden."""
    foreign = [each.box for each in seen if each.name in VEHICLES and not each.is_own]
    if any(each.is_own and each.name in VEHICLES for each in seen):
        return [each for each in foreign if _is_in_front(each, box)]
    return foreign


def _own_plate(box: Box, quads: Sequence[Box], foreign: Sequence[Box]) -> Box | None:
    """The plate of the case's own vehicle: the lowest in its box that is on no other vehicle."""
    mine = [
        quad
        for quad in quads
        if _holds(box, quad) and not any(_holds(other, quad) for other in foreign)
    ]
    return max(mine, key=lambda quad: quad[1] + quad[3], default=None)


def _is_strange(quad: Box, box: Box, foreign: Sequence[Box]) -> bool:
    """Whether a plate is not on the case's thing: lettering on it may look like a second plate."""
    return not _holds(box, quad) or any(_holds(other, quad) for other in foreign)


def _is_in_front(other: Box, box: Box) -> bool:
    """Whether another thing stands nearer to the camera: on level ground, it ends lower."""
    return other[3] > box[3] + _IN_FRONT * (box[3] - box[1])


def _holds(box: Box, quad: Box) -> bool:
    """Whether a box holds the centre of another."""
    x, y = (quad[0] + quad[2]) / 2, (quad[1] + quad[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _share_within(inner: Box, outer: Box) -> float:
    """The share of a box that lies within another."""
    across = min(inner[2], outer[2]) - max(inner[0], outer[0])
    down = min(inner[3], outer[3]) - max(inner[1], outer[1])
    area = (inner[2] - inner[0]) * (inner[3] - inner[1])
    return max(0.0, across) * max(0.0, down) / area if area > 0 else 0.0


def _box(values: npt.NDArray[np.floating]) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2


def _around(quad: Quad) -> Box:
    corners = np.asarray(quad, dtype=np.float64).reshape(4, 2)
    (x1, y1), (x2, y2) = corners.min(axis=0), corners.max(axis=0)
    return float(x1), float(y1), float(x2), float(y2)


def _head(box: Box, margin: float) -> Box:
    """Where the head of a person is, who may be seen from head to foot or to the waist only."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    deep = min(height, max(_HEAD_HEIGHT * height, _HEAD_WIDTH * width))
    middle, aside = (x1 + x2) / 2, _HEAD_ACROSS * width / 2 + margin
    above = max(_HEAD_ABOVE * height, margin)
    return middle - aside, y1 - above, middle + aside, y1 + deep


def _grown(box: Box, margin: float) -> Box:
    x1, y1, x2, y2 = box
    across, down = margin * (x2 - x1), margin * (y2 - y1)
    return x1 - across, y1 - down, x2 + across, y2 + down


def _hide(result: Image, covered: npt.NDArray[np.bool_], region: Region, image: Image) -> None:
    """Overwrites a region of ``result`` with its coarse average, except for what is spared."""
    height, width = image.shape[:2]
    x1, y1 = max(0, int(np.floor(region.box[0]))), max(0, int(np.floor(region.box[1])))
    x2, y2 = min(width, int(np.ceil(region.box[2]))), min(height, int(np.ceil(region.box[3])))
    if x1 >= x2 or y1 >= y2:
        return
    coarse = _coarse(image[y1:y2, x1:x2])
    inside = ~covered[y1:y2, x1:x2]
    rows, columns = np.arange(y1, y2), np.arange(x1, x2)
    for own in region.spared:
        own_rows = (rows >= own[1]) & (rows < own[3])
        own_columns = (columns >= own[0]) & (columns < own[2])
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
