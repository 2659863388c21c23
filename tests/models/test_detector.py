from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv

from models import ModelError
from models.detector import Image, open_detector
from models.registry import Weights


def labels(shared_data: Path, name: str, width: int, height: int) -> dict[str, list[float]]:
    """Largest box per class of the ground truth, xyxy in pixels."""
    path = shared_data / "detector/coco128/labels" / f"{name}.txt"
    found: dict[str, list[float]] = {}
    for line in path.read_text().splitlines():
        kind, x, y, w, h = map(float, line.split())
        box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
        found[{0: "person", 25: "umbrella"}[int(kind)]] = box
    return found


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_finds_what_the_picture_shows(
    yolov8n: Weights, model_cache: Path, coco_image: Image, shared_data: Path, precision: Any
) -> None:
    detector = open_detector("yolov8n", precision=precision, cache=model_cache)
    (found,) = detector([coco_image])
    height, width = coco_image.shape[:2]
    truth = labels(shared_data, "000000000036", width, height)
    assert sorted(found.data["class_name"]) == sorted(truth)
    for name, box in zip(found.data["class_name"], found.xyxy, strict=True):
        (overlap,) = sv.box_iou_batch(np.array([truth[name]]), np.array([box]))
        assert overlap > 0.85
    assert detector.digest == f"{yolov8n.sha256}+{detector.runtime.precision}"
    assert detector.class_names[2] == "car"


def test_a_file_needs_no_family(yolox_nano: Path, coco_image: Image, tmp_path: Path) -> None:
    detector = open_detector(yolox_nano, cache=tmp_path, backend="onnxruntime", confidence=0.5)
    assert (detector.family, detector.input_size) == ("yolox", 416)
    (found,) = detector([coco_image])
    assert sorted(found.data["class_name"]) == ["person", "umbrella"]
    assert found.class_id is not None and sorted(found.class_id.tolist()) == [0, 25]


def test_any_number_of_any_size(yolox_nano: Path, coco_image: Image, tmp_path: Path) -> None:
    detector = open_detector(yolox_nano, cache=tmp_path, backend="onnxruntime")
    assert detector([]) == []
    images = [coco_image, coco_image[:200], coco_image[:, :1], np.zeros((1, 900, 3), np.uint8)]
    together = detector(images)
    assert len(together) == 4
    for image, found in zip(images, together, strict=True):
        (alone,) = detector([image])
        np.testing.assert_array_equal(found.xyxy, alone.xyxy)
        height, width = image.shape[:2]
        assert (found.xyxy >= 0).all() and (found.xyxy <= [width, height] * 2).all()
        assert len(found.data["class_name"]) == len(found)


def test_the_smaller_rectangle_finds_the_same(
    yolov8n: Weights, model_cache: Path, coco_image: Image
) -> None:
    wide: Image = np.ascontiguousarray(np.pad(coco_image, ((0, 0), (0, 640), (0, 0))))
    boxes = []
    for square in (False, True):
        detector = open_detector(
            "yolov8n", cache=model_cache, square=square, precision="fp32", backend="onnxruntime"
        )
        (found,) = detector([wide])
        boxes.append(found.xyxy[np.argsort(found.data["class_name"])])
    np.testing.assert_allclose(boxes[0], boxes[1], atol=6)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(yolox_nano: Path, tmp_path: Path, image: Any) -> None:
    detector = open_detector(yolox_nano, cache=tmp_path, backend="onnxruntime")
    with pytest.raises(ModelError, match="image 0 is "):
        detector([image])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confidence": 1.5}, "confidence is 1.5"),
        ({"input_size": 640}, "takes 416x416 only"),
        ({"family": "ultralytics"}, "those of family 'yolox', not 'ultralytics'"),
        ({"classes": ["car"]}, "has 80 classes, but 1 are named"),
        ({"precision": "int8"}, "has not been quantised"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    yolox_nano: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        open_detector(yolox_nano, backend="onnxruntime", cache=tmp_path, **settings)


@pytest.mark.parametrize("name", ["picodet_s_416_coco", "yunet_n_dynamic", "twinlitenet_bdd100k"])
def test_models_of_other_kinds_are_refused(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = shared_data / "weights" / f"{name}.onnx"
    with pytest.raises(ModelError, match=name):
        open_detector(path, cache=tmp_path, backend="onnxruntime", precision="fp32")


@pytest.mark.parametrize("side", [0, 31, 100])
def test_odd_input_sizes_are_refused(yolov8n: Weights, model_cache: Path, side: int) -> None:
    if side == 0:
        assert open_detector("yolov8n", cache=model_cache, input_size=side).input_size == 640
        return
    with pytest.raises(ModelError, match="multiple of 32"):
        open_detector("yolov8n", cache=model_cache, input_size=side)
