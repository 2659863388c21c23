from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from models import ModelError
from models.convert.tinycd import build, state_of
from models.convert.torch_checkpoint import read_checkpoint
from models.registry.manifest import load_manifest
from tests.models.pairs import f1, tile

State = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def state(shared_data: Path) -> State:
    path = shared_data / "satellite" / "weights" / "tinycd_levir.pth"
    return state_of(read_checkpoint(path, load_manifest()["tinycd"].sha256 or ""))


@pytest.fixture(scope="module")
def session(state: State) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = build(state).SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def planes(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[np.newaxis] / 255, np.float32)


def test_the_authors_weights_are_read(state: State) -> None:
    learned = [
        values.size
        for name, values in state.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    assert sum(learned) == 285_128


@pytest.mark.parametrize("name", ["saras_1", "train_412_0512_0768"])
def test_new_buildings_are_found(
    session: onnxruntime.InferenceSession, shared_data: Path, name: str
) -> None:
    pair = tile(shared_data, name)
    feeds = {"before": planes(pair.before), "after": planes(pair.after)}
    appeared, gone = session.run(["appeared", "gone"], feeds)
    assert f1(appeared[0, 0] > 0.5, pair.changed) > 0.93
    # The second output is the network with the dates swapped.
    (swapped,) = session.run(["appeared"], {"before": feeds["after"], "after": feeds["before"]})
    np.testing.assert_allclose(gone, swapped, atol=1e-4)
    assert (gone > 0.5).mean() < 0.7 * pair.changed.mean()


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 64, 64), (2, 64, 96), (1, 8, 16)])
def test_the_graph_takes_any_batch_and_size(
    session: onnxruntime.InferenceSession, batch: int, height: int, width: int
) -> None:
    source = np.random.default_rng(1)
    feeds = {n: source.random((batch, 3, height, width), np.float32) for n in ("before", "after")}
    outputs = session.run(["appeared", "gone"], feeds)
    for output in outputs:
        assert output.shape == (batch, 1, height, width)
        assert ((output >= 0) & (output <= 1)).all()
    single = {name: values[:1] for name, values in feeds.items()}
    np.testing.assert_allclose(session.run(["gone"], single)[0], outputs[1][:1], atol=1e-4)


def test_the_last_stage_at_every_second_pixel_finds_the_same(
    session: onnxruntime.InferenceSession, state: State, shared_data: Path
) -> None:
    exact = onnxruntime.InferenceSession(build(state, exact=True).SerializeToString())
    for name in ("saras_1", "train_412_0512_0768"):
        pair = tile(shared_data, name)
        feeds = {"before": planes(pair.before), "after": planes(pair.after)}
        halved, whole = (one.run(["appeared"], feeds)[0][0, 0] for one in (session, exact))
        assert np.abs(halved - whole).mean() < 0.01
        assert ((halved > 0.5) != (whole > 0.5)).mean() < 0.01
        assert f1(halved > 0.5, pair.changed) > f1(whole > 0.5, pair.changed) - 0.005


def test_what_is_gone_can_be_left_out(state: State) -> None:
    whole, part = build(state), build(state, both=False, metadata={"resolution_m": "0.5"})
    assert [output.name for output in whole.graph.output] == ["appeared", "gone"]
    assert [output.name for output in part.graph.output] == ["appeared"]
    assert len(part.graph.node) < len(whole.graph.node)
    told = {prop.key: prop.value for prop in part.metadata_props}
    assert told["resolution_m"] == "0.5" and told["task"] == "change"
    assert "BatchNormalization" not in {node.op_type for node in part.graph.node}


def test_other_weights_of_the_same_network_give_another_graph(state: State) -> None:
    tuned = dict(state)
    name = "_classify._linears.2.0.bias"
    tuned[name] = state[name] + 1
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in build(tuned).graph.initializer}
    np.testing.assert_allclose(weights["appeared.logit.bias"], tuned[name])


def without(state: Mapping[str, Any], name: str) -> State:
    return {key: values for key, values in state.items() if key != name}


STEM = "_backbone.0.0.weight"
HEAD = "_classify._linears.0.0.weight"
MIX = "_mixing_mask.2._convmix.0.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, HEAD), f"'{HEAD}' is missing"),
        (lambda s: s | {"extra.weight": np.zeros(1)}, "it has no 'extra.weight'"),
        (lambda s: s | {HEAD: s[HEAD][:, :5]}, "head0 takes 5 channels, not 32"),
        (lambda s: s | {STEM: s[STEM][:, :, :0]}, "do not fit together"),
        (lambda s: s | {HEAD: s[HEAD].ravel()}, "is no convolution"),
        (lambda s: s | {MIX: s[MIX][:, :1]}, "mixes no two dates"),
        (lambda s: s | {"_up.0._convolution.1.weight": np.zeros(56)}, "has 56 slopes"),
        (lambda s: {}, "'_backbone.0.0.weight' is missing"),
    ],
)
def test_other_networks_are_refused(state: State, change: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(change(state))


@pytest.mark.parametrize("checkpoint", [{}, {"model": None}, {"state_dict": {"a": 1}}])
def test_a_checkpoint_without_weights_by_name_is_refused(checkpoint: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="holds no weights by name"):
        state_of(checkpoint)


def test_weights_are_found_one_level_down() -> None:
    weights = {"a": np.zeros(1)}
    assert state_of({"state_dict": weights, "epoch": 3}) == weights
