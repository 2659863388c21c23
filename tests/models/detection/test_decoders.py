from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import ModelError
from models.detection.decoders import (
    FAMILIES,
    Query,
    decode_detr,
    decode_ultralytics,
    decode_yolox,
    infer_family,
)
from models.families import DetectorFamily

Arrays = Mapping[str, NDArray[Any]]
QUERY = Query(width=64, height=32, confidence=0.5)
BOX = [8.0, 4.0, 24.0, 20.0]  # what every output below stands for, of class 2 at 0.75


def ultralytics() -> Arrays:
    table = np.zeros((7, 42), np.float32)
    table[:, 5] = [16, 12, 16, 16, 0.1, 0.2, 0.75]
    return {"output0": table}


def ultralytics_nms() -> Arrays:
    table = np.zeros((300, 6), np.float32)
    table[0] = [*BOX, 0.75, 2]
    return {"output0": table}


def yolox() -> Arrays:
    table = np.zeros((42, 8), np.float32)
    # Stride 16: 32 cells of stride 8 come before; cell (1, 0) begins at 16, 0.
    table[33] = [0.0, 12 / 16, 0.0, 0.0, 0.75, 0.0, 0.0, 1.0]
    return {"output": table}


def detr_table() -> Arrays:
    table = np.zeros((10, 7), np.float32)
    table[3] = [0.25, 0.375, 0.25, 0.5, 0.0, 0.0, 0.75]
    return {"output0": table}


def detr_logits() -> Arrays:
    logits = np.full((10, 3), -9.0, np.float32)
    logits[3, 2] = np.log(3)
    boxes = np.zeros((10, 4), np.float32)
    boxes[3] = [0.25, 0.375, 0.25, 0.5]
    return {"logits": logits, "pred_boxes": boxes}


def detr_final() -> Arrays:
    labels, scores = np.zeros(10, np.int64), np.zeros(10, np.float32)
    boxes = np.zeros((10, 4), np.float32)
    labels[3], scores[3], boxes[3] = 2, 0.75, BOX
    return {"labels": labels, "boxes": boxes, "scores": scores}


@pytest.mark.parametrize(
    ("family", "outputs"),
    [
        ("ultralytics", ultralytics()),
        ("ultralytics-nms", ultralytics_nms()),
        ("yolox", yolox()),
        ("detr", detr_table()),
        ("detr", detr_logits()),
        ("detr", detr_final()),
    ],
)
def test_each_family_gives_the_same_detection(family: DetectorFamily, outputs: Arrays) -> None:
    found = FAMILIES[family].decode(outputs, QUERY)
    np.testing.assert_allclose(found.xyxy, [BOX], rtol=1e-6)
    np.testing.assert_allclose(found.confidence, [0.75], rtol=1e-6)  # type: ignore[arg-type]
    assert found.class_id is not None and found.class_id.tolist() == [2]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_above_the_confidence_is_nothing(family: DetectorFamily) -> None:
    outputs = {
        "ultralytics": ultralytics,
        "ultralytics-nms": ultralytics_nms,
        "yolox": yolox,
        "detr": detr_logits,
    }[family]()
    found = FAMILIES[family].decode(outputs, Query(64, 32, confidence=0.9))
    assert len(found) == 0 and found.xyxy.shape == (0, 4)


@pytest.mark.parametrize(("multi_label", "classes"), [(False, [2]), (True, [1, 2])])
def test_a_box_counts_once_or_once_per_class(multi_label: bool, classes: list[int]) -> None:
    outputs = dict(ultralytics())
    outputs["output0"][5, 5] = 0.6
    found = decode_ultralytics(outputs, Query(64, 32, 0.5, multi_label))
    assert found.class_id is not None and found.class_id.tolist() == classes


@pytest.mark.parametrize("decode", [decode_ultralytics, decode_yolox, decode_detr])
def test_not_a_number_is_no_detection(decode: Any) -> None:
    shape = (42, 8) if decode is decode_yolox else (7, 42)
    assert len(decode({"output": np.full(shape, np.nan, np.float32)}, QUERY)) == 0


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"output0": (1, 84, 8400)}, "ultralytics"),
        ({"output0": (1, 5, 8400)}, "ultralytics"),
        ({"output0": (1, 300, 6)}, "ultralytics-nms"),
        ({"output": (1, 8400, 85)}, "yolox"),
        ({"output": (1, 8400, 6)}, "yolox"),
        ({"output0": (1, 300, 84)}, "detr"),
        ({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, "detr"),
        ({"labels": (1, 300), "boxes": (1, 300, 4), "scores": (1, 300)}, "detr"),
    ],
)
def test_family_is_told_from_the_outputs(
    shapes: dict[str, tuple[int, ...]], expected: DetectorFamily
) -> None:
    assert infer_family(shapes, 640, 640) == expected


@pytest.mark.parametrize(
    "shapes",
    [
        {"output0": (1, 25200, 85)},
        {"output0": (1, 116, 8400), "output1": (1, 32, 160, 160)},
        {"output0": (1, 1000)},
        {},
    ],
)
def test_other_outputs_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match="family cannot be inferred"):
        infer_family(shapes, 640, 640)
