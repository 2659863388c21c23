from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models import ModelError
from models.change import ChangeNetwork, open_change_network
from models.detector import open_detector
from models.platt import Platt
from models.quantise.calibration_data import pairs
from models.quantise.qdq import quantise
from models.registry.weights import fetch, list_models
from models.runtime import runtime
from models.runtime.graph import inspect
from models.runtime.runtime import Backend, has_openvino, load
from models.tuning.autotune import candidates
from models.tuning.bench import bench
from tests.models.pairs import f1, tile

BACKENDS: list[Backend] = ["onnxruntime", *(["openvino"] if has_openvino() else [])]  # type: ignore[list-item]
NAMES = ("saras_1", "train_36_0512_0512")


@pytest.fixture(scope="module")
def weights(shared_data: Path) -> Path:
    return shared_data / "satellite" / "weights" / "tinycd_levir.pth"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def network(weights: Path, cache: Path) -> ChangeNetwork:
    return open_change_network(weights, backend="onnxruntime", precision="fp32", cache=cache)


def made(
    path: Path,
    inputs: tuple[str, ...] = ("before", "after"),
    outputs: str = "appeared",
    **told: str,
) -> Path:
    """A network that takes how far red lies apart for the probability."""
    dims: list[str | int | None] = ["n", 3, "h", "w"]
    images = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name in inputs]
    result = helper.make_tensor_value_info(outputs, TensorProto.FLOAT, ["n", 1, "h", "w"])
    nodes = [
        helper.make_node("Sub", [inputs[-1], inputs[0]], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Slice", ["distance", "zero", "one", "one"], [outputs]),
    ]
    weights = [
        helper.make_tensor(n, TensorProto.INT64, [1], [i]) for i, n in enumerate(("zero", "one"))
    ]
    graph = helper.make_graph(nodes, "test", images, [result], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, told)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("backend", BACKENDS)
def test_new_buildings_are_found(
    weights: Path, cache: Path, shared_data: Path, backend: Backend
) -> None:
    network = open_change_network(weights, backend=backend, precision="fp32", cache=cache)
    tiles = [tile(shared_data, name) for name in NAMES]
    appeared, gone = network(
        np.stack([t.before for t in tiles]), np.stack([t.after for t in tiles])
    )
    assert appeared.shape == gone.shape == (2, 256, 256) and appeared.dtype == np.float32
    for found, pair in zip(appeared, tiles, strict=True):
        assert f1(found > 0.5, pair.changed) > 0.9


def test_the_network_has_its_metadata(network: ChangeNetwork) -> None:
    assert (network.name, network.side_px, network.resolution_m) == ("tinycd", 256, 0.5)
    assert network.both and network.calibration == Platt()
    assert network.weights.spec.licence == "non-commercial research and comparison only"
    assert network.digest == f"{network.weights.sha256}+fp32"
    graph = inspect(network.weights.path)
    assert graph.task == "change" and graph.metadata["licence"] == network.weights.spec.licence


@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
def test_results_are_the_same_in_free_and_compiled_shapes(
    weights: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runtime._FREE_RUNS, "change", 2)
    network = open_change_network(weights, backend="openvino", precision="fp32", cache=cache)
    source = np.random.default_rng(1)
    before, after = source.integers(0, 256, (2, 1, 64, 96, 3), np.uint8)
    free, again, compiled, other = (network(before, after)[0] for _ in range(4))
    np.testing.assert_allclose(again, free, atol=1e-6)
    np.testing.assert_allclose(compiled, free, atol=1e-3)
    np.testing.assert_allclose(other, compiled, atol=1e-6)


def test_results_are_the_same_without_the_output_of_what_is_gone(
    weights: Path, cache: Path, network: ChangeNetwork, shared_data: Path
) -> None:
    pair = tile(shared_data, NAMES[0])
    images = [image[np.newaxis, :64, :64] for image in pair[:2]]
    part = open_change_network(
        weights, backend="onnxruntime", precision="fp32", both=False, cache=cache
    )
    assert not part.both and part.resolution_m == network.resolution_m
    np.testing.assert_allclose(part(*images)[0], network(*images)[0], atol=1e-4)
    assert not part(*images)[1].any() and network(*images)[1].any()


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_images_are_uint8_or_floats(tmp_path: Path, kind: Any) -> None:
    network = open_change_network(made(tmp_path / "toy.onnx"), cache=tmp_path)
    before = np.zeros((3, 16, 24, 3), np.uint8)
    after = np.random.default_rng(1).integers(0, 256, before.shape, np.uint8)
    scale = 255 if kind == np.float32 else 1
    images = [(image / scale).astype(kind) for image in (before, after)]
    appeared, gone = network(*images)
    np.testing.assert_allclose(appeared, after[..., 0] / 255, atol=1e-6)  # red, not blue
    assert not gone.any()


def test_metadata_of_a_users_file_is_optional(tmp_path: Path) -> None:
    plain = open_change_network(made(tmp_path / "plain.onnx"), cache=tmp_path)
    assert (plain.name, plain.side_px, plain.resolution_m) == ("plain", 256, None)
    assert plain.calibration == Platt() and plain.weights.spec.licence == "unknown"
    path = made(
        tmp_path / "told.onnx",
        resolution_m="2.1",
        imgsz="[128, 128]",
        licence="Apache-2.0",
        calibration=Platt(0.5, 1.0).to_text(),
    )
    network = open_change_network(path, cache=tmp_path)
    assert (network.side_px, network.resolution_m) == (128, 2.1)
    assert network.weights.spec.licence == "Apache-2.0"
    half = np.full((1, 8, 8, 3), 0.5, np.float32)
    appeared, _ = network(np.zeros_like(half), half)
    np.testing.assert_allclose(appeared, 1 / (1 + np.exp(-1)), rtol=1e-5)


def test_models_are_listed_and_timed(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in list_models(tmp_path)}
    assert rows["tinycd"] == {
        "name": "tinycd",
        "task": "change",
        "family": "tinycd",
        "input": 256,
        "ap": None,
        "licence": "non-commercial research and comparison only",
        "cached": False,
    }
    path = made(tmp_path / "toy.onnx")
    times = bench(path, cache=tmp_path)
    assert len(times) == len(candidates(inspect(path)))
    assert {(row.width, row.height) for row in times} == {(256, 256)}


def test_a_detector_is_no_change_network(
    yolox_nano: Path, weights: Path, cache: Path, tmp_path: Path
) -> None:
    for detector in ("yolov8n", yolox_nano):
        with pytest.raises(ModelError, match=r"is an object detector, .*known: tinycd"):
            open_change_network(detector, cache=tmp_path)
    for network in ("tinycd", weights, made(tmp_path / "toy.onnx")):
        with pytest.raises(ModelError, match=r"is a change network, .*known: yolov8n"):
            open_detector(network, cache=cache)


def test_an_unknown_name_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"did you mean 'tinycd'\? \(known: tinycd;"):
        open_change_network("tinydc", cache=tmp_path)


def test_another_checkpoint_is_not_opened(tmp_path: Path, weights: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(ModelError, match="a pickle, which can run any code"):
        open_change_network(other, cache=tmp_path)


@pytest.mark.parametrize(
    ("inputs", "output", "told", "message"),
    [
        (("before", "after"), "changed", {}, "no change network: .* outputs changed"),
        (("first", "second"), "appeared", {}, "takes no image"),
        (("before", "after"), "appeared", {"calibration": "none"}, "'none' is no calibration"),
        (("before", "after"), "appeared", {"resolution_m": "fine"}, "'fine' is no length"),
        (("before", "after"), "appeared", {"resolution_m": "-1"}, "'-1' is no length"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path, inputs: tuple[str, ...], output: str, told: dict[str, str], message: str
) -> None:
    path = made(tmp_path / "toy.onnx", inputs, output, **told)
    with pytest.raises(ModelError, match=message):
        open_change_network(path, cache=tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 16, 3), np.uint8)),
        (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.float32)),
        (np.zeros((1, 8, 8, 4), np.uint8), np.zeros((1, 8, 8, 4), np.uint8)),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)),
        (np.zeros((1, 8, 8, 3), np.float64), np.zeros((1, 8, 8, 3), np.float64)),
        (np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)),
        (np.zeros((1, 12, 8, 3), np.uint8), np.zeros((1, 12, 8, 3), np.uint8)),
    ],
)
def test_images_that_do_not_fit_are_refused(
    network: ChangeNetwork, before: Any, after: Any
) -> None:
    with pytest.raises(ModelError, match="the images are"):
        network(before, after)


def test_a_runtime_takes_as_many_images_as_the_network(network: ChangeNetwork) -> None:
    with pytest.raises(ModelError, match="takes before and after, not 1"):
        network.runtime.run(np.zeros((1, 3, 8, 8), np.float32))


def test_eight_bits_find_the_same(weights: Path, cache: Path, shared_data: Path) -> None:
    result = quantise(
        fetch(weights, cache=cache), shared_data / "satellite" / "levir", cache=cache, count=2
    )
    graph = inspect(result.path)
    assert graph.quantised and graph.metadata["resolution_m"] == "0.5"
    small = open_change_network(weights, backend="onnxruntime", precision="int8", cache=cache)
    assert small.runtime.precision == "int8"
    pair = tile(shared_data, NAMES[0])
    appeared, _ = small(pair.before[np.newaxis], pair.after[np.newaxis])
    assert f1(appeared[0] > 0.5, pair.changed) > 0.9


def test_calibration_pairs_are_taken_evenly(tmp_path: Path) -> None:
    for date in ("before", "after"):
        (tmp_path / date).mkdir()
        for index in range(9):
            picture = np.full((40, 32, 3), index, np.uint8)
            cv2.imwrite(str(tmp_path / date / f"{index}.png"), picture)
    (tmp_path / "before" / "lone.png").write_bytes(b"")
    found = list(pairs(tmp_path, 3, 32))
    assert [int(first[0, 0, 0]) for first, _ in found] == [0, 4, 8]
    assert all(image.shape == (32, 32, 3) for pair in found for image in pair)
    assert not list(pairs(tmp_path, 3, 64))  # all are smaller
    with pytest.raises(ModelError, match="no folders 'before' and 'after' or 'A' and 'B'"):
        list(pairs(tmp_path / "before", 3, 32))


def test_both_graphs_give_the_same_results(network: ChangeNetwork) -> None:
    images = np.random.default_rng(2).random((2, 2, 3, 32, 32), np.float32)
    graph = network.runtime.graph
    whole = load(graph, "onnxruntime", "fp32", 1)
    together = whole.run(*images)
    apart = [whole.run(*(image[i : i + 1] for image in images)) for i in range(2)]
    for output, parts in zip(together, zip(*apart, strict=True), strict=True):
        np.testing.assert_allclose(output, np.concatenate(parts), atol=1e-4)
