"""People are looked for closely: small ones, and those at the edge of a part of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import supervision as sv

from cv_engine.evidence.media.redact import regions
from cv_engine.evidence.media.still import Image
from cv_engine.privacy import finders as module
from cv_engine.privacy.finders import find_people, finders_of
from models.detector import Detector, open_detector
from models.errors import ModelUnavailable
from models.plates.detector import open_plate_detector


@pytest.fixture(scope="module")
def detector(shared_data: Path) -> Detector:
    return open_detector(shared_data / "weights" / "yolox_nano.onnx", confidence=0.25)


@pytest.fixture(scope="module")
def street(shared_data: Path) -> Image:
    path = shared_data / "mot/mot17_frames/MOT17-04/000001.jpg"
    return np.asarray(cv2.imread(str(path)), np.uint8)


def _persons(found: sv.Detections) -> int:
    return list(found.data["class_name"]).count("person")


def test_a_close_look_finds_many_more_people(detector: Detector, street: Image) -> None:
    (once,) = detector([street])
    closely = find_people(detector, street)
    assert _persons(closely) >= 2 * _persons(once)
    assert detector.confidence == 0.25  # the detector itself is as it was


def test_boxes_are_in_pixels_of_the_picture_and_within_it(
    detector: Detector, street: Image
) -> None:
    found = find_people(detector, street)
    height, width = street.shape[:2]
    assert (found.xyxy[:, [0, 1]] >= -1).all()
    assert (found.xyxy[:, 2] <= width + 1).all() and (found.xyxy[:, 3] <= height + 1).all()
    assert found.xyxy[:, 0].max() > 0.8 * width  # also from the last parts


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 2), (33, 47)])
def test_pictures_of_any_size_are_searched(detector: Detector, size: tuple[int, int]) -> None:
    assert len(find_people(detector, np.full((*size, 3), 128, np.uint8))) == 0


def test_without_its_models_less_is_hidden_and_the_manifest_says_so(
    detector: Detector, street: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**settings: float) -> None:
        raise ModelUnavailable("no source")

    for name in ("faces", "plates"):
        getattr(module, f"_{name}").cache_clear()
    monkeypatch.setattr(module, "open_faces", unreachable)
    monkeypatch.setattr(module, "open_plate_detector", unreachable)
    finders = finders_of(detector)
    for name in ("faces", "plates"):
        getattr(module, f"_{name}").cache_clear()
    assert (finders.faces, finders.plates) == (None, None)
    assert (finders.about["faces"], finders.about["plates"]) == (None, None)
    no_one = sv.Detections.empty()
    assert len(regions(street, (-2, -2, -1, -1), no_one, finders)) > 10


def test_plates_are_found_wherever_they_are(
    detector: Detector, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = partial(open_plate_detector, shared_data / "weights" / "clp_det.onnx")
    module._plates.cache_clear()
    monkeypatch.setattr(module, "open_plate_detector", opened)
    finders = finders_of(detector)
    module._plates.cache_clear()
    assert finders.plates is not None
    photo = next((shared_data / "plates" / "easypr_general").glob("*.jpg"))
    decoded = cv2.imdecode(np.fromfile(photo, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    image = decoded.astype(np.uint8)
    (corners, *_) = finders.plates(image)
    assert corners.shape == (4, 2)
    assert (corners >= 0).all() and (corners < image.shape[1::-1]).all()


def _found(*rows: tuple[tuple[float, float, float, float], float]) -> sv.Detections:
    return sv.Detections(
        np.array([box for box, _ in rows], np.float32),
        confidence=np.array([sure for _, sure in rows], np.float32),
        class_id=np.zeros(len(rows), int),
        data={"class_name": np.array(["person"] * len(rows))},
    )


class _Seeing:
    """A detector that finds given people in each of the pictures that are searched together."""

    digest = "given"

    def __init__(self, *found: sv.Detections) -> None:
        self.found = found

    def at(self, confidence: float) -> _Seeing:
        return self

    def __call__(self, images: Sequence[Image]) -> list[sv.Detections]:
        return list(self.found)


ADULT = (400.0, 200.0, 500.0, 500.0)


@pytest.mark.parametrize(
    ("box", "sure", "kept"),
    [
        pytest.param((405, 460, 440, 500), 0.1, False, id="a shoe"),
        pytest.param((430, 330, 500, 498), 0.2, True, id="a child before the adult"),
        pytest.param((410, 210, 440, 290), 0.1, True, id="somebody small behind the adult"),
        pytest.param((360, 460, 420, 500), 0.1, True, id="mostly beside the adult"),
        pytest.param((405, 460, 440, 500), 0.95, True, id="seen more surely than the adult"),
    ],
)
def test_a_part_of_a_person_is_no_other_person(
    box: tuple[float, float, float, float], sure: float, kept: bool
) -> None:
    seeing = cast(Detector, _Seeing(_found((ADULT, 0.9), (box, sure))))
    found = find_people(seeing, np.zeros((640, 960, 3), np.uint8), parts=1)
    assert (len(found) == 2) is kept


def test_who_is_cut_off_at_the_top_of_a_part_is_not_sought_a_head_there() -> None:
    """Of the parts of the picture, those below the first row cut people in two."""
    no_one = sv.Detections(
        np.zeros((0, 4), np.float32),
        confidence=np.zeros(0, np.float32),
        class_id=np.zeros(0, int),
        data={"class_name": np.zeros(0, str)},
    )
    rest, whole = ((10.0, 0.0, 40.0, 90.0), 0.3), ((60.0, 30.0, 90.0, 120.0), 0.3)
    parts = [no_one, _found(rest), no_one, _found(rest, whole), no_one]  # the picture, then 2 by 2
    seeing = cast(Detector, _Seeing(*parts))
    found = find_people(seeing, np.zeros((640, 960, 3), np.uint8), parts=2)
    tops = sorted(round(top) for top in found.xyxy[:, 1])
    assert tops[0] == 0, "at the top of the picture itself, only the picture ends"
    assert len(tops) == 2 and tops[1] > 200
