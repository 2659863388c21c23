from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models import ModelError
from models.registry.weights import Weights
from models.runtime.graph import inspect
from models.runtime.runtime import Backend, Precision, has_openvino, load

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
BOTH: list[Backend] = ["onnxruntime", "openvino"]
HERE = BOTH if has_openvino() else BOTH[:1]


def save(graph: onnx.GraphProto, path: Path) -> Path:
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def reshaping(path: Path, shape: list[int]) -> Path:
    """A model that says it takes images of any number and size, and reshapes them to ``shape``."""
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    dims: list[str | int | None] = [f"d{axis}" for axis in range(len(shape))]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, dims)
    target = helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape)
    node = helper.make_node("Reshape", ["images", "shape"], ["output0"])
    return save(helper.make_graph([node], "test", [image], [output], [target]), path)


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
    for side in range(32, 32 * 13, 32):
        image = np.random.default_rng(side).random((1, 3, side, 64), np.float32)
        (a,), (b,) = vino.run(image), plain.run(image)
        np.testing.assert_allclose(a, b, atol=0.02)


@pytest.mark.parametrize(
    ("backend", "precision", "threads", "message"),
    [
        ("onnxruntime", "bf16", 1, "has no bf16"),
        ("onnxruntime", "int8", 1, "no quantised"),
        ("onnxruntime", "fp32", 0, "threads is 0"),
    ],
)
def test_unavailable_backends_are_refused(
    yolox_nano: Path, backend: Backend, precision: Precision, threads: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(inspect(yolox_nano), backend, precision, threads)


@pytest.mark.parametrize(
    ("threads", "sizes"), [(1, (2, 1)), (2, (4, 2, 1)), (3, (4, 2, 1)), (16, (16, 8, 4, 2, 1))]
)
def test_more_threads_run_larger_batches(
    yolov8n: Weights, yolox_nano: Path, threads: int, sizes: tuple[int, ...]
) -> None:
    assert load(inspect(yolov8n.path), "onnxruntime", "fp32", threads).batches == sizes
    assert load(inspect(yolox_nano), "onnxruntime", "fp32", threads).batches == (1,)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("fixed", [[1, 3, 1024], [1, 3, -1]])
def test_a_batch_size_that_is_free_in_name_only_runs_images_singly(
    tmp_path: Path, backend: Backend, fixed: list[int]
) -> None:
    path = reshaping(tmp_path / "reshape.onnx", fixed)
    runtime = load(inspect(path), backend, "fp32", 1)
    images = np.random.default_rng(1).random((3, 3, 32, 32), np.float32)
    assert max(runtime.batches) == 2
    for _ in range(2):
        (output,) = runtime.run(images)
        np.testing.assert_allclose(output, images.reshape(3, 3, 1024), atol=1e-6)
        assert max(runtime.batches) == 1


@pytest.mark.parametrize("backend", HERE)
def test_a_second_input_has_a_row_for_each_image(tmp_path: Path, backend: Backend) -> None:
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    sizes = helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["n", 2])
    output = helper.make_tensor_value_info("output0", TensorProto.INT64, ["n", 2])
    copy = helper.make_node("Identity", ["orig_target_sizes"], ["output0"])
    graph = helper.make_graph([copy], "test", [images, sizes], [output])
    path = save(graph, tmp_path / "sizes.onnx")
    runtime = load(inspect(path), backend, "fp32", 1)
    (output_rows,) = runtime.run(np.zeros((2, 3, 32, 64), np.float32))
    assert output_rows.tolist() == [[64, 32]] * 2
    assert runtime.batches == (2, 1)


@pytest.mark.parametrize("backend", HERE)
def test_a_model_that_fails_gives_a_clear_error(tmp_path: Path, backend: Backend) -> None:
    # Valid ONNX, but the reshape cannot work on any image.
    path = reshaping(tmp_path / "reshape.onnx", [7, 11])
    for count in (1, 2):
        with pytest.raises(ModelError, match=r"reshape\.onnx: .* cannot (run|load) it"):
            load(inspect(path), backend, "fp32", 1).run(np.zeros((count, 3, 32, 32), np.float32))


def test_an_input_of_the_wrong_size_gives_a_clear_error(yolox_nano: Path) -> None:
    runtime = load(inspect(yolox_nano), "onnxruntime", "fp32", 1)
    with pytest.raises(ModelError, match="cannot run it on input 1x3x320x320"):
        runtime.run(np.zeros((1, 3, 320, 320), np.float32))
