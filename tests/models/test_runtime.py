from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models import ModelError
from models.graph import inspect
from models.registry import Weights
from models.runtime import Backend, Precision, has_openvino, load, open_runtime

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
BOTH: list[Backend] = ["onnxruntime", "openvino"]


@needs_openvino
def test_both_backends_compute_the_same(yolox_nano: Path) -> None:
    graph = inspect(yolox_nano)
    images = np.random.default_rng(1).uniform(0, 255, (2, 3, 416, 416)).astype(np.float32)
    first, second = (load(graph, backend, "fp32", 1).run(images) for backend in BOTH)
    assert first[0].shape == second[0].shape == (2, 3549, 85)
    np.testing.assert_allclose(first[0], second[0], atol=0.02)


@needs_openvino
def test_more_shapes_than_are_compiled_one_by_one(yolov8n: Weights) -> None:
    graph = inspect(yolov8n.path)
    vino, plain = load(graph, "openvino", "fp32", 1), load(graph, "onnxruntime", "fp32", 1)
    for side in range(32, 32 * 10, 32):
        image = np.random.default_rng(side).random((1, 3, side, 64), np.float32)
        (a,), (b,) = vino.run(image), plain.run(image)
        np.testing.assert_allclose(a, b, atol=0.02)


@pytest.mark.parametrize(
    ("backend", "precision", "threads", "message"),
    [
        ("onnxruntime", "bf16", 1, "has no bf16"),
        ("onnxruntime", "int8", 1, "not a quantised model"),
        ("onnxruntime", "fp32", 0, "threads is 0"),
    ],
)
def test_what_is_not_to_be_had_is_refused(
    yolox_nano: Path, backend: Backend, precision: Precision, threads: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        open_runtime(yolox_nano, backend=backend, precision=precision, threads=threads)


@pytest.mark.parametrize("backend", [b for b in BOTH if b == "onnxruntime" or has_openvino()])
def test_a_model_that_fails_gives_a_clear_error(tmp_path: Path, backend: Backend) -> None:
    # Valid ONNX, but the reshape cannot work on any image.
    dims: list[str | int | None] = ["n", 3, "h", "w"]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [7, 11])
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["images", "shape"], ["output0"])],
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [7, 11])],
        [shape],
    )
    path = tmp_path / "reshape.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    with pytest.raises(ModelError, match=r"reshape\.onnx: .* cannot (run|load) it"):
        load(inspect(path), backend, "fp32", 1).run(np.zeros((1, 3, 32, 32), np.float32))


def test_an_input_of_the_wrong_size_gives_a_clear_error(yolox_nano: Path) -> None:
    runtime = load(inspect(yolox_nano), "onnxruntime", "fp32", 1)
    with pytest.raises(ModelError, match="cannot run it on input 1x3x320x320"):
        runtime.run(np.zeros((1, 3, 320, 320), np.float32))
