from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision as sv

from models import ModelError
from models.detector import Detector, Image, open_detector
from models.quantise.qdq import quantise
from models.registry.weights import Weights, fetch
from models.runtime.runtime import Backend, has_openvino


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


BACKENDS: list[Backend] = ["onnxruntime", "openvino"] if has_openvino() else ["onnxruntime"]


def pictures(shared_data: Path) -> list[Image]:
    """Pictures whose inputs have three shapes, mixed: four, three and two at a side of 320."""
    names = ["009", "025", "036", "030", "034", "042", "049", "061", "071"]
    folder = shared_data / "detector/coco128/images"
    images = [cv2.imread(str(folder / f"000000000{name}.jpg")) for name in names]
    return [np.asarray(image, np.uint8) for image in images]


def assert_same_in_company(detector: Detector, images: list[Image]) -> None:
    """What is found in each image is what is found in it alone, in the images' order."""
    together = detector(images)
    assert len(together) == len(images)
    assert sum(map(len, together)) >= len(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector([image])
        np.testing.assert_array_equal(found.data["class_name"], alone.data["class_name"])
        np.testing.assert_allclose(found.xyxy, alone.xyxy, atol=0.01)
        np.testing.assert_allclose(found.confidence, alone.confidence, atol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("threads", "sizes"), [(1, [2, 2, 2, 2, 1]), (2, [4, 2, 2, 1])])
def test_a_batch_finds_what_each_image_alone_does(
    yolov8n: Weights,
    model_cache: Path,
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: Backend,
    threads: int,
    sizes: list[int],
) -> None:
    detector = open_detector(
        "yolov8n",
        cache=model_cache,
        backend=backend,
        precision="fp32",
        threads=threads,
        input_size=320,
    )
    run, ran = detector.runtime.run, []

    def count(batch: Any) -> Any:
        ran.append(len(batch))
        return run(batch)

    monkeypatch.setattr(detector.runtime, "run", count)
    assert_same_in_company(detector, pictures(shared_data))
    assert sorted(ran[: len(sizes)], reverse=True) == sizes
    assert detector.runtime.batches[0] == sizes[0], "the library did not take the batch"


def test_a_batch_finds_the_same_in_eight_bits(
    yolov8n: Weights, shared_data: Path, tmp_path: Path
) -> None:
    quantise(fetch(yolov8n.path), shared_data / "detector/coco128", cache=tmp_path, count=2)
    for backend in BACKENDS:
        detector = open_detector(
            yolov8n.path, backend=backend, precision="int8", input_size=320, cache=tmp_path
        )
        assert detector.runtime.batches == (2, 1)
        wide = [image for image in pictures(shared_data) if 420 < image.shape[0] < 430]
        assert_same_in_company(detector, wide[:2])
        assert detector.runtime.batches == (2, 1), "the library did not take the batch"


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
