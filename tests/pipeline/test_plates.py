"""The plate of a parked vehicle, voted over the frames of its stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cv_engine.cases import Queue, open_queue
from cv_engine.config import Config
from cv_engine.config.plates import PlatesConfig
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify
from cv_engine.pipeline.filing import Filer
from cv_engine.pipeline.plates import StayPlates
from cv_engine.rules.registry import kinds
from cv_engine.rules.stays import Violation
from models.errors import ModelError
from models.plates.countries.china import CHINA
from models.plates.detector import open_plate_detector
from models.plates.reader import open_reader
from models.plates.recognise import PlateRecogniser
from models.plates.voting import Knowledge
from tests.pipeline.parked import START, Image, filmed, footage_of, photo
from zones.camera import Camera
from zones.zone import whole_frame

CAR = "鲁B995EQ"
OTHER = "粤BP3T05"
LENGTH_S = 8.0


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> Path:
    return shared_data / "plates" / "easypr_general"


@pytest.fixture(scope="module")
def recogniser(shared_data: Path) -> PlateRecogniser:
    detector = open_plate_detector(shared_data / "weights" / "clp_det.onnx", confidence=0.3)
    return PlateRecogniser(detector, open_reader(CHINA))


@pytest.fixture
def plates(recogniser: PlateRecogniser) -> StayPlates:
    return StayPlates(PlatesConfig(), opener=lambda _: recogniser)


def box_of(image: Image) -> tuple[float, float, float, float]:
    """The vehicle fills the photograph."""
    height, width = image.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def unchanged(_: int, image: Image) -> Image:
    return image


def end() -> timedelta:
    return timedelta(seconds=LENGTH_S - 0.2)


def test_a_parked_car_is_read(photos: Path, plates: StayPlates, tmp_path: Path) -> None:
    image = photo(photos, CAR)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, LENGTH_S, unchanged))
    found = plates.read(footage, box_of(image), START, START + end())
    assert found is not None
    assert found.text.text == CAR
    assert found.frames == 5
    x1, y1, x2, y2 = found.box
    assert 0 < x1 < x2 < image.shape[1]
    assert image.shape[0] / 3 < y1 < y2 < image.shape[0]
    value = found.as_json()
    assert value["text"] == CAR
    assert value["layout"] == "blue"
    assert 0.5 < value["confidence"] <= 1


def test_frames_in_which_the_plate_cannot_be_read_do_not_matter(
    photos: Path, plates: StayPlates, tmp_path: Path
) -> None:
    def spoilt(number: int, image: Image) -> Image:
        if number % 15 < 5:
            return np.asarray(cv2.GaussianBlur(image, (0, 0), 6), np.uint8)
        if number % 15 < 10:
            return np.zeros_like(image)
        return image

    image = photo(photos, CAR)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, LENGTH_S, spoilt))
    found = plates.read(footage, box_of(image), START, START + end())
    assert found is not None
    assert found.text.text == CAR


def test_the_plate_of_a_vehicle_that_passes_in_front_is_not_taken(
    photos: Path, plates: StayPlates, tmp_path: Path
) -> None:
    image, other = photo(photos, CAR), photo(photos, OTHER)
    seen = plates.recogniser
    assert seen is not None
    x1, y1, x2, y2 = (int(value) for value in seen(other, 640)[0].found.box)
    strange = cv2.resize(other[y1 - 8 : y2 + 8, x1 - 8 : x2 + 8], (130, 52))

    def passing(number: int, picture: Image) -> Image:
        left = 20 + 40 * (number // 4)
        if left + 130 < picture.shape[1]:
            picture[60:112, left : left + 130] = strange
        return picture

    footage = footage_of(tmp_path / "a.mp4", filmed(image, LENGTH_S, passing))
    found = plates.read(footage, box_of(image), START, START + end())
    assert found is not None
    assert found.text.text == CAR


def test_without_a_plate_nothing_is_read(plates: StayPlates, tmp_path: Path) -> None:
    image = np.full((240, 320, 3), 120, np.uint8)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, 3.0, unchanged))
    assert plates.read(footage, box_of(image), START, START + timedelta(seconds=2)) is None


def test_a_box_outside_the_picture_has_no_plate(
    photos: Path, plates: StayPlates, tmp_path: Path
) -> None:
    footage = footage_of(tmp_path / "a.mp4", filmed(photo(photos, CAR), 2.0, unchanged))
    outside = (5000.0, 5000.0, 5100.0, 5100.0)
    assert plates.read(footage, outside, START, START + timedelta(seconds=1)) is None


def test_no_more_frames_are_read_than_the_settings_allow(
    photos: Path, recogniser: PlateRecogniser, tmp_path: Path
) -> None:
    image = photo(photos, CAR)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, LENGTH_S, unchanged))
    few = StayPlates(PlatesConfig(frames=2), opener=lambda _: recogniser)
    found = few.read(footage, box_of(image), START, START + end())
    assert found is not None
    assert found.frames == 2


def test_a_plate_of_low_confidence_is_marked(
    photos: Path, recogniser: PlateRecogniser, tmp_path: Path
) -> None:
    image = photo(photos, CAR)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, 2.0, unchanged))
    values = []
    for sure in (1.0, 0.0):
        plates = StayPlates(PlatesConfig(sure=sure), opener=lambda _: recogniser)
        found = plates.read(footage, box_of(image), START, START + timedelta(seconds=1))
        assert found is not None
        values.append(found.as_json())
    strict, lenient = values
    assert strict == lenient | {"unsure": True}


def test_the_registry_is_asked(photos: Path, recogniser: PlateRecogniser, tmp_path: Path) -> None:
    image = photo(photos, CAR)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, 2.0, unchanged))
    asked: list[str] = []

    def known(text: str) -> bool:
        asked.append(text)
        return text == CAR

    plates = StayPlates(PlatesConfig(), Knowledge(known=known), opener=lambda _: recogniser)
    found = plates.read(footage, box_of(image), START, START + timedelta(seconds=1))
    assert found is not None
    assert found.text.text == CAR
    assert CAR in asked


def test_where_the_networks_cannot_be_had_a_warning_says_so_once(
    photos: Path, tmp_path: Path
) -> None:
    def unavailable(_: PlatesConfig) -> PlateRecogniser:
        raise ModelError("'clp_det' cannot be downloaded")

    image = photo(photos, CAR)
    footage = footage_of(tmp_path / "a.mp4", filmed(image, 2.0, unchanged))
    plates = StayPlates(PlatesConfig(), opener=unavailable)
    with capture_logs() as logs:
        for _ in range(2):
            assert plates.read(footage, box_of(image), START, START + end()) is None
    assert [log["event"] for log in logs] == ["plates are not read"]


@given(length_s=st.floats(0, 1e6), frames=st.integers(1, 12))
def test_frames_lie_within_the_stay_and_apart(length_s: float, frames: int) -> None:
    plates = StayPlates(PlatesConfig(frames=frames))
    ended = START + timedelta(seconds=length_s)
    moments = plates.moments(START, ended)
    assert 1 <= len(moments) <= 2 * frames
    assert all(START <= moment <= ended for moment in moments)
    gaps = [after - before for before, after in pairwise(moments)]
    assert all(gap >= timedelta(seconds=0.99) for gap in gaps)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.db") as queue:
        yield queue


def _filed(
    kind: str, image: Image, plates: StayPlates, queue: Queue, tmp_path: Path
) -> tuple[dict[str, object], Path]:
    """The attributes and the package of a filed stay."""
    height, width = image.shape[:2]
    vehicle = sv.Detections(
        np.array([[0, 0, width, height]], np.float32),
        confidence=np.array([0.9], np.float32),
        class_id=np.array([2]),
        data={"class_name": np.array(["car"])},
    )
    filer = Filer(
        camera=Camera("market", None, ()),
        zones=[whole_frame(width, height, kinds())],
        detect=lambda _: vehicle,
        cases=CaseFiler(
            queue, SigningKey.load_or_create(tmp_path / "key.pem"), tmp_path / "evidence"
        ),
        config=Config(data=tmp_path),
        model="digest",
        timezone="UTC",
        first_s=START.timestamp() - 1,
        plates=plates,
    )
    footage = footage_of(tmp_path / "a.mp4", filmed(image, LENGTH_S, unchanged))
    at = START.timestamp()
    stay = Violation(kind, "whole frame", 1, box_of(image), at + 1, at + LENGTH_S - 1, 0.9)
    case = queue.get(filer.file(stay, footage).filed.case_id)
    (package,) = (tmp_path / "evidence").iterdir()
    return dict(case.attributes), package


def test_a_case_has_the_plate_and_its_close_up(
    photos: Path, plates: StayPlates, queue: Queue, tmp_path: Path
) -> None:
    image = photo(photos, CAR)
    attributes, package = _filed("motor_vehicle_parked", image, plates, queue, tmp_path)
    plate = attributes["plate"]
    assert isinstance(plate, dict)
    assert plate["text"] == CAR
    assert not verify(package)
    manifest = json.loads((package / "manifest.json").read_bytes())
    roles = {(entry["role"], entry["view"]) for entry in manifest["files"] if "role" in entry}
    assert ("plate", "closeup") in roles
    assert ("plate", "overview") not in roles
    # The plate is legible in the copy for sharing: the vehicle is no bystander of itself.
    recogniser = plates.recogniser
    assert recogniser is not None
    for folder in ("original", "shareable"):
        picture = cv2.imread(str(package / folder / "closeup-plate.jpg"))
        assert picture is not None
        texts = [seen.text.text for seen in recogniser(np.asarray(picture, np.uint8), 640)]
        assert CAR in texts


def test_bicycles_are_not_asked_for_plates(
    photos: Path, plates: StayPlates, queue: Queue, tmp_path: Path
) -> None:
    image = photo(photos, CAR)
    attributes, package = _filed("non_motor_vehicle_parked", image, plates, queue, tmp_path)
    assert "plate" not in attributes
    assert not (package / "original" / "closeup-plate.jpg").exists()
