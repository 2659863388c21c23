from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from models import ModelError
from models.convert.torch_checkpoint import Record
from models.convert.yolov8 import build
from models.registry.weights import Weights
from models.runtime.graph import inspect


@pytest.mark.parametrize(
    ("batch", "height", "width", "anchors"),
    [(1, 640, 640, 8400), (2, 384, 640, 5040), (1, 32, 32, 21)],
)
def test_the_graph_takes_any_batch_and_size(
    yolov8n: Weights, batch: int, height: int, width: int, anchors: int
) -> None:
    session = onnxruntime.InferenceSession(str(yolov8n.path), providers=["CPUExecutionProvider"])
    images = np.full((batch, 3, height, width), 0.5, np.float32)
    (output,) = session.run(None, {"images": images})
    assert output.shape == (batch, 84, anchors)
    assert (output[:, 4:] >= 0).all() and (output[:, 4:] <= 1).all()
    centre_x, centre_y = output[0, 0], output[0, 1]
    # Anchors lie row by row over the three levels, so boxes sweep the image from top left.
    assert centre_x[0] < width / 2 and centre_y[0] < height / 2
    assert np.isfinite(output).all()


def test_the_graph_names_its_classes(yolov8n: Weights) -> None:
    graph = inspect(yolov8n.path)
    assert graph.class_names is not None and len(graph.class_names) == 80
    assert graph.class_names[2] == "car"
    assert graph.fixed_size is None and not graph.fixed_batch and not graph.quantised


def test_the_graph_has_its_normalisation_folded_in(yolov8n: Weights) -> None:
    kinds = [node.op_type for node in onnx.load(str(yolov8n.path)).graph.node]
    assert "BatchNormalization" not in kinds
    assert kinds.count("Conv") == 63


def record(kind: str, **state: Any) -> Record:
    made: Record = type(kind, (Record,), {"type_name": f"somewhere.{kind}"})()
    made.__setstate__(state)
    return made


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({}, "no YOLOv8 detection model"),
        ({"model": None}, "no YOLOv8 detection model"),
        ({"model": record("ClassificationModel")}, "no YOLOv8 detection model"),
        ({"model": record("DetectionModel")}, "has no 'model'"),
        (
            {
                "model": record(
                    "DetectionModel",
                    model=record("Sequential", _modules={"0": record("C3k2", f=-1)}),
                    names={},
                )
            },
            "layer 'C3k2'",
        ),
    ],
)
def test_other_networks_are_refused(checkpoint: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(checkpoint)
