"""Bystanders and other plates cannot be recognised in the copy; the case's vehicle can."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cv_engine.evidence.media.redact import Finders, Quad, redact
from cv_engine.evidence.media.still import Box, Image
from tests.evidence.media.plate_network import plate_network
from tests.evidence.media.scenes import CAR, NEIGHBOURS, detections, frame_at

PERSONS: list[tuple[Box, str]] = [
    ((505, 216, 541, 310), "person"),
    ((554, 214, 588, 302), "person"),
    ((669, 256, 715, 372), "person"),
]


def _changed(before: Image, after: Image, box: Box) -> float:
    x1, y1, x2, y2 = (int(side) for side in box)
    return float((before[y1:y2, x1:x2] != after[y1:y2, x1:x2]).any(axis=2).mean())


def _steepest(image: Image, box: Box) -> float:
    x1, y1, x2, y2 = (int(side) for side in box)
    part = image[y1:y2, x1:x2].astype(float)
    return max(float(np.abs(np.diff(part, axis=axis)).max()) for axis in (0, 1))


def test_heads_are_hidden_and_legs_are_not(video: Path) -> None:
    image = frame_at(video / "pets09_s2l1_vtest.avi", 5.0)
    copy = redact(image, (652, 42, 724, 100), detections([*PERSONS, ((652, 42, 724, 100), "car")]))
    for (x1, y1, x2, y2), _ in PERSONS:
        middle, wide = (x1 + x2) / 2, x2 - x1
        head: Box = (middle - 0.35 * wide, y1, middle + 0.35 * wide, y1 + 0.2 * (y2 - y1))
        assert _changed(image, copy, head) > 0.95
        assert _steepest(copy, head) < 0.5 * _steepest(image, head)
        assert _changed(image, copy, (x1, y1 + 0.5 * (y2 - y1), x2, y2)) == 0.0
    assert _changed(image, copy, (652, 42, 724, 100)) == 0.0  # the case's own


def test_other_plates_are_hidden(video: Path) -> None:
    image = frame_at(video / "lot_leave_arrive.mp4", 5.0)
    copy = redact(image, CAR, detections([(CAR, "truck"), *NEIGHBOURS]))
    for (x1, y1, x2, y2), _ in NEIGHBOURS:
        assert _changed(image, copy, (x1, y1 + 0.5 * (y2 - y1), x2, y2)) > 0.9
    assert _changed(image, copy, CAR) == 0.0


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((200, 50, 450, 250), id="stands behind"),
        pytest.param((200, 150, 400, 350), id="stands in front, or is the thing itself"),
    ],
)
def test_a_vehicle_that_overlaps_the_case_is_hidden_beside_it_only(video: Path, other: Box) -> None:
    """A sack that is taken for a vehicle, with a box of another size, is still shown."""
    image = frame_at(video / "lot_leave_arrive.mp4", 5.0)
    copy = redact(image, CAR, detections([(CAR, "car"), (other, "car")]))
    assert _changed(image, copy, CAR) == 0.0
    assert _changed(image, copy, (other[0], (other[1] + other[3]) / 2, CAR[0], other[3])) > 0.9


def test_redacted_pixels_depend_on_averages_only() -> None:
    """Heads that differ in every pixel, but not in the cells' averages, give the same copy."""
    noise = np.random.default_rng(7).integers(-60, 60, (6, 6, 1))
    cell = np.concatenate([np.concatenate([noise, -noise], axis=0)] * 2, axis=1)
    first = np.full((240, 240, 3), 128, dtype=np.uint8)
    second = np.full((240, 240, 3), 128, dtype=np.uint8)
    first += np.tile(cell, (20, 20, 1)).astype(np.uint8)
    second -= np.tile(cell, (20, 20, 1)).astype(np.uint8)
    person = detections([((80, 84, 120, 204), "person")])
    copies = [redact(image, (0, 200, 40, 240), person) for image in (first, second)]
    head = np.s_[76:110, 86:114]
    assert np.abs(first[head].astype(int) - second[head].astype(int)).max() > 80
    assert np.abs(copies[0][head].astype(int) - copies[1][head].astype(int)).max() <= 6


def test_face_model_and_missing_names(video: Path) -> None:
    image = frame_at(video / "pets09_s2l1_vtest.avi", 5.0)

    def faces(picture: Image) -> npt.NDArray[np.float32]:
        assert picture is image
        return np.array([[515, 220, 530, 235, 0.9]], dtype=np.float32)

    no_one = detections([])
    assert (
        _changed(image, redact(image, CAR, no_one, Finders(faces=faces)), (515, 220, 530, 235))
        > 0.9
    )
    unnamed = detections(PERSONS)
    unnamed.data = {}
    assert _changed(image, redact(image, (0, 0, 20, 20), unnamed), PERSONS[0][0]) > 0.95
    outside = detections([((-90, -90, -10, -10), "person"), ((900, 10, 950, 40), "car")])
    assert np.array_equal(redact(image, (0, 0, 20, 20), outside), image)


def _quad(x1: float, y1: float, x2: float, y2: float) -> Quad:
    return np.array([[x1, y1], [x2, y1 + 2], [x2, y2], [x1, y2 - 2]], dtype=np.float32)


OWN_PLATE = (380, 260, 440, 280)


def test_the_plate_of_the_case_is_readable_and_others_are_not(video: Path) -> None:
    """Whatever stands there: a person before the car, a car behind it, a plate on a wall."""
    image = frame_at(video / "lot_leave_arrive.mp4", 5.0)
    other, poster = (560, 300, 600, 315), (30, 10, 80, 30)
    quads = [_quad(*box) for box in (poster, OWN_PLATE, other)]
    before_car = ((370, 230, 450, 360), "person")
    copy = redact(
        image,
        CAR,
        detections([(CAR, "car"), before_car, *NEIGHBOURS]),
        Finders(plates=lambda picture: quads),
    )
    assert _changed(image, copy, OWN_PLATE) == 0.0
    assert _changed(image, copy, (375, 235, 445, 255)) > 0.9  # the head beside the plate
    for box in (other, poster):
        assert _changed(image, copy, box) > 0.9


def test_a_plate_behind_the_thing_is_not_taken_for_its_own(video: Path) -> None:
    """Goods before a car: the plate within their box is the car's, and is hidden."""
    image = frame_at(video / "lot_leave_arrive.mp4", 5.0)
    goods: Box = (360, 240, 460, 330)
    finders = Finders(plates=lambda picture: [_quad(*OWN_PLATE)])
    copy = redact(image, goods, detections([(CAR, "car")]), finders)
    assert _changed(image, copy, OWN_PLATE) > 0.9


@pytest.mark.parametrize(
    ("box", "confidence", "hidden"),
    [
        pytest.param((400, 120, 440, 240), 0.06, False, id="an uncertain person in the car's box"),
        pytest.param((400, 120, 440, 240), 0.60, True, id="a person who is seen in the car"),
        pytest.param((520, 120, 590, 240), 0.06, True, id="an uncertain person beside the car"),
    ],
)
def test_what_is_seen_in_the_thing_itself(
    video: Path, box: Box, confidence: float, hidden: bool
) -> None:
    image = frame_at(video / "lot_leave_arrive.mp4", 5.0)
    closely = detections([(box, "person")])
    closely.confidence = np.array([confidence], dtype=np.float32)
    finders = Finders(people=lambda picture: closely)
    copy = redact(image, CAR, detections([(CAR, "car")]), finders)
    wide = box[2] - box[0]
    head: Box = (box[0] + 0.2 * wide, box[1], box[2] - 0.2 * wide, box[1] + 0.2 * (box[3] - box[1]))
    assert (_changed(image, copy, head) > 0.9) is hidden


def test_a_part_of_the_case_is_not_another_vehicle(video: Path) -> None:
    """A close look at a part of the picture may see half of the car as a car of its own."""
    image = frame_at(video / "lot_leave_arrive.mp4", 5.0)
    half = detections([((300, 180, 400, 306), "truck")])
    finders = Finders(people=lambda picture: half)
    copy = redact(image, CAR, detections([(CAR, "car")]), finders)
    assert np.array_equal(copy, image)


#: Plates in two photos, from their annotation: the centre, and the size.
_OWN, _FOREIGN = ("京CX8888", (220, 207, 87, 26)), ("京H99999", (222, 214, 113, 39))


def _corners(plate: tuple[int, int, int, int], shift: int) -> Box:
    x, y, wide, high = plate
    return shift + x - 0.4 * wide, y - 0.35 * high, shift + x + 0.4 * wide, y + 0.35 * high


def test_a_plate_network_leaves_the_own_plate_readable_and_no_other(shared_data: Path) -> None:
    """Two photos side by side: the left one shows the case's vehicle."""
    photos = []
    for name in (_OWN[0], _FOREIGN[0]):
        data = np.fromfile(shared_data / "plates" / "easypr_general" / f"{name}.jpg", np.uint8)
        photo = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert photo is not None
        photos.append(photo)
    height = min(photo.shape[0] for photo in photos)
    image = np.asarray(np.hstack([photo[:height] for photo in photos]), np.uint8)
    width = photos[0].shape[1]
    finders = Finders(plates=plate_network(shared_data / "weights" / "clp_det.onnx"))
    car: Box = (0, 0, width, height)
    copy = redact(image, car, detections([(car, "car")]), finders)
    assert _changed(image, copy, _corners(_OWN[1], 0)) == 0.0
    foreign = _corners(_FOREIGN[1], width)
    assert _changed(image, copy, foreign) > 0.95
    assert _steepest(copy, foreign) < 0.5 * _steepest(image, foreign)
