"""What finds the people and plates that are hidden in pictures that are handed out.

A detector that is set to find vehicles which stand still misses a third of the people of a street
view: they are small, half hidden, or cut off. For redaction it looks again, at a low confidence and
at parts of the picture at a larger scale. What it takes for a person there may be a shoe, or the
rest of somebody whom the part cuts: such finds are left out, since they would hide what a case is
about.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import structlog
import supervision as sv

from cv_engine.evidence.media.redact import VEHICLES, Finders, Plates
from cv_engine.evidence.media.still import PERSONS, Image
from models.detector import Detector
from models.errors import ModelError
from models.faces import Faces, open_faces
from models.plates.detector import open_plate_detector

# The least confidence of a person who is small in the picture, and of one who is large: of 109
# people above a fifth of the height of COCO128's pictures, none is missed at 0.15.
_SMALL_CONFIDENCE = 0.05
_LARGE_CONFIDENCE = 0.15
_LARGE = 0.25  # of the picture's height
_VEHICLE_CONFIDENCE = 0.25  # of a vehicle whose plate is hidden: a fainter one shows none to read
_FACE_CONFIDENCE = 0.4  # of a face: below, it finds wheels and lettering, and no further people
_PLATE_CONFIDENCE = 0.3  # of a plate that is hidden
_PARTS = 3  # parts of the picture in each direction: a person of 2 % of its height has 15 pixels
CLIP_PARTS = 2  # of the pictures of a clip: many are searched, and a miss is covered by the next
_LEAST_PART_PX = 16  # a part with a shorter side shows nothing
_OVERLAP = 0.25  # of a part: a person who is cut in two by one is whole in the next
_SAME_IOU = 0.7  # of two boxes that are of one thing, from different parts
_AT_EDGE = 0.01  # of a part's height: a box that begins this close to its top is cut there
_WITHIN = 0.9  # share of a box within a person's from which it may be a part of that person
_PART_TALL = 0.5  # of the person's height: smaller than a child beside an adult
_LOW = 0.1  # of the person's height: as low as the feet
_SURE = 0.4  # least confidence of a person of whom something is taken for a part


def finders_of(detector: Detector, parts: int = _PARTS) -> Finders:
    """The finders for the pictures of a case.

    Where the face model is not available, heads are hidden all the same; without the plate model,
    the lower halves of other vehicles. The log says so once.

    Args:
        detector: Detects persons and vehicles.
        parts: See :func:`find_people`.
    """
    faces, plates = _faces(), _plates()
    about: dict[str, object] = {
        "people": {"model": detector.digest, "confidence": _SMALL_CONFIDENCE, "parts": parts},
        "faces": None if faces is None else {"model": faces.digest},
        "plates": None if plates is None else {"confidence": _PLATE_CONFIDENCE},
    }
    return Finders(partial(find_people, detector, parts=parts), faces, plates, about)


def find_people(detector: Detector, image: Image, parts: int = _PARTS) -> sv.Detections:
    """Find persons and vehicles, also small and uncertain ones.

    Args:
        detector: The detector; used with a confidence of its own.
        image: uint8 (H, W, 3) BGR.
        parts: Parts of the picture in each direction that are looked at beside the whole.

    Returns:
        Detections in pixels of the picture, with ``data["class_name"]``.
    """
    windows = list(_windows(image.shape[1], image.shape[0], parts))
    crops = [np.ascontiguousarray(image[y1:y2, x1:x2]) for x1, y1, x2, y2 in windows]
    found = [
        _moved(each, window)
        for each, window in zip(detector.at(_SMALL_CONFIDENCE)(crops), windows, strict=True)
    ]
    merged = sv.Detections.merge([each for each in found if len(each)])
    if not len(merged):
        return sv.Detections(np.zeros((0, 4), np.float32), data={"class_name": np.zeros(0, str)})
    wanted = merged[_wanted(merged, image.shape[0])]
    assert isinstance(wanted, sv.Detections)
    return _without_parts(wanted.with_nms(_SAME_IOU))


def _moved(found: sv.Detections, window: tuple[int, int, int, int]) -> sv.Detections:
    """Detections of a part in pixels of the picture, without those that the part cuts at the top.

    Their heads are not in this part: the part above it shows them, or the whole picture.
    """
    x1, y1, _, y2 = window
    cut = (y1 > 0) & (found.xyxy[:, 1] < _AT_EDGE * (y2 - y1))
    whole = found[~cut | ~np.isin(found.data.get("class_name", []), list(PERSONS))]
    assert isinstance(whole, sv.Detections)
    whole.xyxy = whole.xyxy + np.array([x1, y1, x1, y1], whole.xyxy.dtype)
    return whole


def _without_parts(found: sv.Detections) -> sv.Detections:
    """Leaves out what is a part of a surer person: a shoe, a bag, legs.

    On level ground, whoever stands as near has feet at the same height and is about as tall, so
    that something much smaller within a person's box, as low as the feet, is no other person.
    """
    is_person = np.isin(found.data["class_name"], list(PERSONS))
    sure, boxes = found.confidence, found.xyxy
    assert sure is not None
    if not is_person.any():
        return found
    x1, y1, x2, y2 = boxes.T
    tall, area = y2 - y1, np.maximum((x2 - x1) * (y2 - y1), 1e-9)
    across = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    down = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    within = np.clip(across, 0, None) * np.clip(down, 0, None) / area[:, None]
    is_part = (
        (within >= _WITHIN)
        & (tall[:, None] < _PART_TALL * tall)
        & (y2[:, None] > y2 - _LOW * tall)
        & (sure[:, None] < sure)
        & (sure >= _SURE)
        & is_person[:, None]
        & is_person
    )
    whole = found[~is_part.any(axis=1)]
    assert isinstance(whole, sv.Detections)
    return whole


def _wanted(found: sv.Detections, height: int) -> npt.NDArray[np.bool_]:
    names, sure = found.data["class_name"], found.confidence
    assert sure is not None
    is_small = found.xyxy[:, 3] - found.xyxy[:, 1] < _LARGE * height
    persons = np.isin(names, list(PERSONS)) & (is_small | (sure >= _LARGE_CONFIDENCE))
    vehicles = np.isin(names, list(VEHICLES)) & (sure >= _VEHICLE_CONFIDENCE)
    return np.asarray(persons | vehicles, bool)


def _windows(width: int, height: int, parts: int) -> Iterator[tuple[int, int, int, int]]:
    """The whole picture, and overlapping parts of it."""
    yield 0, 0, width, height
    if parts < 2 or min(width, height) < parts * _LEAST_PART_PX:
        return
    wide, high = (min(side, round(side / parts * (1 + _OVERLAP))) for side in (width, height))
    for row in range(parts):
        for column in range(parts):
            x = round(column * (width - wide) / (parts - 1))
            y = round(row * (height - high) / (parts - 1))
            yield x, y, x + wide, y + high


@cache
def _plates() -> Plates | None:
    """The corners of plates, by a model that is opened once; ``None`` where it is not available."""
    try:
        detector = open_plate_detector(confidence=_PLATE_CONFIDENCE)
    except ModelError as error:
        structlog.get_logger(__name__).warning(
            "there is no plate model: in pictures to hand out, the lower halves of other vehicles "
            "are hidden",
            reason=str(error).splitlines()[0],
        )
        return None
    return lambda image: [plate.corners for plate in detector(image)]


@cache
def _faces() -> Faces | None:
    """The face model, opened once; ``None`` where it is not available."""
    try:
        return open_faces(confidence=_FACE_CONFIDENCE)
    except ModelError as error:
        structlog.get_logger(__name__).warning(
            "there is no face model: in pictures to hand out, only heads are hidden",
            reason=str(error).splitlines()[0],
        )
        return None
