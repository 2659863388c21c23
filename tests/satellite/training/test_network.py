from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.convert import tinycd
from satellite.training import small_graph
from satellite.training.batches import to_input
from satellite.training.samples import read_tiles
from satellite.training.settings import Settings

torch = pytest.importorskip("torch", reason="training is an extra; torch is not installed")

from satellite.training.fit import open_network  # noqa: E402


def _onnx(model: bytes, before: np.ndarray, after: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model)
    feeds = {
        name: (np.moveaxis(picture, -1, 0)[None] / 255).astype(np.float32)
        for name, picture in (("before", before), ("after", after))
    }
    found: list[np.ndarray] = session.run(["appeared", "gone"], feeds)
    return found


def test_published_weights_load_and_agree_with_the_graph(shared_data: Path) -> None:
    data = shared_data / "satellite"
    network = open_network(Settings(), data / "weights" / "tinycd_levir.pth").eval()
    assert sum(p.numel() for p in network.parameters()) == 285_128
    state = {name: values.numpy() for name, values in network.state_dict().items()}
    model = tinycd.build(state).SerializeToString()
    tile = read_tiles(data / "levir", 0.5)[2]
    appeared, gone = _onnx(model, tile.before, tile.after)
    before, after = (torch.from_numpy(to_input(p)[None]) for p in (tile.before, tile.after))
    with torch.inference_mode():
        assert np.abs(torch.sigmoid(network(before, after)).numpy() - appeared).max() < 1e-4
        assert np.abs(torch.sigmoid(network(after, before)).numpy() - gone).max() < 1e-4
    assert appeared.max() > 0.9


def test_in_training_mode_the_network_is_the_published_one(shared_data: Path) -> None:
    data = shared_data / "satellite"
    network = open_network(Settings(), data / "weights" / "tinycd_levir.pth").train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # as with frozen weights: stored statistics, not those of this picture
    state = {name: values.numpy() for name, values in network.state_dict().items()}
    model = tinycd.build(state, exact=True).SerializeToString()
    tile = read_tiles(data / "levir", 0.5)[2]
    appeared, _ = _onnx(model, tile.before, tile.after)
    before, after = (torch.from_numpy(to_input(p)[None]) for p in (tile.before, tile.after))
    with torch.inference_mode():
        assert np.abs(torch.sigmoid(network(before, after)).numpy() - appeared).max() < 1e-4


def test_the_small_network_agrees_with_its_graph() -> None:
    network = open_network(Settings(network="small"))
    assert sum(p.numel() for p in network.parameters()) < 60_000
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 256, (2, 40, 56, 3), np.uint8)
    inputs = [torch.from_numpy(to_input(picture)[None]) for picture in (before, after)]
    with torch.no_grad():
        for _ in range(20):  # sets the statistics of batch normalisation
            network.train()(*inputs)
    network.eval()
    state = {name: values.numpy() for name, values in network.state_dict().items()}
    appeared, gone = _onnx(small_graph.build(state).SerializeToString(), before, after)
    with torch.inference_mode():
        assert np.abs(torch.sigmoid(network(*inputs)).numpy() - appeared).max() < 1e-4
        assert np.abs(torch.sigmoid(network(*inputs[::-1])).numpy() - gone).max() < 1e-4
