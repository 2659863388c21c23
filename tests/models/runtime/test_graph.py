from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from models import ModelError
from models.runtime.graph import inspect


def model(
    dims: list[int | str],
    kind: int = TensorProto.FLOAT,
    extra: str | None = None,
    names: Sequence[str] = ("images",),
) -> onnx.ModelProto:
    """A model that hands its first image on."""
    inputs = [helper.make_tensor_value_info(name, kind, dims) for name in names]
    if extra:
        inputs.append(helper.make_tensor_value_info(extra, TensorProto.INT64, ["n", 2]))
    output = helper.make_tensor_value_info("output0", kind, dims)
    node = helper.make_node("Identity", [names[0]], ["output0"])
    graph = helper.make_graph([node], "test", inputs, [output])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def test_inputs_and_outputs_of_a_real_model_are_read(yolox_nano: Path) -> None:
    graph = inspect(yolox_nano)
    assert (graph.image, graph.outputs, graph.fixed_size) == ("images", ("output",), (416, 416))
    assert graph.fixed_batch and graph.class_names is None and graph.target_sizes is None


@pytest.mark.parametrize(
    ("names", "images", "task"),
    [
        (["images"], ("images",), "detect"),
        (["before", "after"], ("before", "after"), "change"),
        (["after", "before"], ("before", "after"), "change"),
    ],
)
def test_the_task_is_inferred_from_the_inputs(
    tmp_path: Path, names: list[str], images: tuple[str, ...], task: str
) -> None:
    onnx.save(model(["n", 3, "h", "w"], names=names), str(tmp_path / "a.onnx"))
    graph = inspect(tmp_path / "a.onnx")
    assert (graph.images, graph.task, graph.image) == (images, task, images[0])
    assert graph.side_px == {"detect": 640, "change": 256}[task]


def test_finds_sizes_and_names_in_the_metadata(tmp_path: Path) -> None:
    made = model(["n", 3, "h", "w"], extra="orig_target_sizes")
    helper.set_model_props(made, {"names": "{0: 'car', 1: 'stall'}", "imgsz": "[320, 512]"})
    onnx.save(made, str(tmp_path / "a.onnx"))
    graph = inspect(tmp_path / "a.onnx")
    assert (graph.class_names, graph.metadata_size) == (("car", "stall"), 512)
    assert graph.target_sizes == "orig_target_sizes" and not graph.fixed_batch


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (model([1, 1, 64, 64]), "takes no image"),
        (model([1, 3, 64]), "takes no image"),
        (model([4, 3, 64, 64]), "4 images at a time"),
        (model([1, 3, 64, "w"]), "only one of height and width"),
        (model([1, 3, 64, 64], TensorProto.UINT8), "not float32"),
        (model([1, 3, 64, 64], extra="prompt"), "inputs of an unknown kind: prompt"),
        (model([1, 3, 64, 64], names=("first", "second")), "nor two named before and after"),
    ],
)
def test_models_of_other_inputs_are_refused(
    tmp_path: Path, made: onnx.ModelProto, message: str
) -> None:
    onnx.save(made, str(tmp_path / "a.onnx"))
    with pytest.raises(ModelError, match=message):
        inspect(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not a model",
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[: len(data) // 3] + bytes(64) + data[len(data) // 3 + 64 :],
        lambda data: data[1:],
        lambda data: bytes(reversed(data)),
    ],
)
def test_damaged_files_are_refused_or_read(
    tmp_path: Path, yolox_nano: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damage(yolox_nano.read_bytes()))
    try:
        graph = inspect(path)
    except ModelError as error:
        assert "damaged.onnx" in str(error)
    else:  # bytes of the weights changed, which only a digest can tell
        assert graph.outputs == ("output",)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be read"):
        inspect(tmp_path / "none.onnx")
