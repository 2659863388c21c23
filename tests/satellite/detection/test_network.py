from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.change import ChangeNetwork, open_change_network
from satellite.detection.network import NetworkDetector
from satellite.errors import SatelliteError
from satellite.imagery.views import Picture, Quality, Views
from tests.models.pairs import Tile, f1, tile

NAMES = ("saras_1", "train_412_0512_0768")
PAD = 100  # around a tile, mirrored: a scene of several tiles without a cut through a building


@pytest.fixture(scope="module")
def network(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ChangeNetwork:
    return open_change_network(
        shared_data / "satellite" / "weights" / "tinycd_levir.pth",
        backend="onnxruntime",
        precision="fp32",
        cache=tmp_path_factory.mktemp("models"),
    )


@pytest.fixture(scope="module")
def detector(network: ChangeNetwork) -> NetworkDetector:
    return NetworkDetector(network)


@pytest.fixture(scope="module")
def tiles(shared_data: Path) -> list[Tile]:
    return [tile(shared_data, name) for name in NAMES]


@pytest.fixture
def flat(tmp_path: Path) -> NetworkDetector:
    """A detector whose network returns one value per tile: its later image's brightness."""
    dims: list[str | int | None] = ["n", 3, "h", "w"]
    images = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n in ("before", "after")
    ]
    result = helper.make_tensor_value_info("appeared", TensorProto.FLOAT, ["n", 1, "h", "w"])
    nodes = [
        helper.make_node("Mul", ["before", "zero"], ["nothing"]),
        helper.make_node("ReduceMean", ["after"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Add", ["nothing", "mean"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["appeared"], axes=[1], keepdims=1),
    ]
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    graph = helper.make_graph(nodes, "flat", images, [result], [zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"resolution_m": "0.5", "imgsz": "[64, 64]"})
    onnx.save(model, str(tmp_path / "flat.onnx"))
    return NetworkDetector(open_change_network(tmp_path / "flat.onnx", cache=tmp_path))


@pytest.fixture
def runs(flat: NetworkDetector, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Records each tile on which the flat network is run."""
    done: list[int] = []
    run = flat.network.runtime.run

    def counted(*images: Any) -> Any:
        done.append(1)
        return run(*images)

    monkeypatch.setattr(flat.network.runtime, "run", counted)
    return done


def views(
    before: Picture, after: Picture, *, metres: float = 0.5, quality: Any = Quality.CLEAR
) -> Views:
    marks = np.zeros(before.shape[:2], np.uint8)
    marks[:] = quality
    return Views(before, after, marks, metres)


def mirrored(image: NDArray[Any]) -> NDArray[Any]:
    return np.pad(image, [(PAD, PAD), (PAD, PAD), (0, 0)][: image.ndim], "symmetric")


def test_one_tile_equals_the_networks_output(
    detector: NetworkDetector, network: ChangeNetwork, tiles: list[Tile]
) -> None:
    pair = tiles[0]
    found = detector(views(pair.before, pair.after))
    appeared, gone = network(pair.before[np.newaxis], pair.after[np.newaxis])
    stronger = np.maximum(appeared, gone)[0]
    np.testing.assert_allclose(found.appeared + found.gone, stronger, atol=1e-5)
    assert not (found.appeared.astype(bool) & found.gone.astype(bool)).any()
    assert found.appeared.dtype == found.gone.dtype == np.float32


def test_only_the_greater_probability_is_kept(
    detector: NetworkDetector, network: ChangeNetwork, tiles: list[Tile]
) -> None:
    pair = tiles[1]
    found = detector(views(pair.before, pair.after))
    _, echo = network(pair.before[np.newaxis], pair.after[np.newaxis])
    echoed = (echo[0] > 0.5)[pair.changed].mean()
    assert (found.gone > 0.5)[pair.changed].mean() < 0.01 < 0.1 < echoed
    assert f1(found.appeared > 0.5, pair.changed) > 0.9


def test_tiling_agrees_with_one_large_tile(
    detector: NetworkDetector, network: ChangeNetwork, tiles: list[Tile]
) -> None:
    whole, tiled, truth = [], [], []
    for pair in tiles:
        found = detector(views(mirrored(pair.before), mirrored(pair.after)))
        tiled.append(found.appeared[PAD:-PAD, PAD:-PAD] > 0.5)
        whole.append(network(pair.before[np.newaxis], pair.after[np.newaxis])[0][0] > 0.5)
        truth.append(pair.changed)
    changed = np.stack(truth)
    assert f1(np.stack(tiled), changed) > max(0.93, f1(np.stack(whole), changed) - 0.005)


def test_f1_does_not_depend_on_the_tiles_offset(
    detector: NetworkDetector, tiles: list[Tile]
) -> None:
    before, after = (mirrored(image) for image in tiles[0][:2])
    whole = detector(views(before, after)).appeared
    margin = detector.margin_px
    part = np.s_[70:430, 90:450]
    shifted = detector(views(np.ascontiguousarray(before[part]), np.ascontiguousarray(after[part])))
    inner = np.s_[margin:-margin, margin:-margin]
    there = whole[part][inner]
    assert np.abs(shifted.appeared[inner] - there).mean() < 0.02
    assert ((shifted.appeared[inner] > 0.5) != (there > 0.5)).mean() < 0.02


def test_tiles_are_blended_without_seams(flat: NetworkDetector) -> None:
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    after = np.ascontiguousarray(np.broadcast_to(ramp[:, np.newaxis, np.newaxis], (300, 200, 3)))
    found = flat(views(np.zeros_like(after), after)).appeared
    assert found.max() - found.min() > 0.6  # the tiles do differ
    for axis in (0, 1):
        # Blended over 16 pixels: steps of at most a tenth of the tiles' difference (0.25).
        assert np.abs(np.diff(found, axis=axis)).max() < 0.03


def test_reversed_dates_find_demolition(detector: NetworkDetector, tiles: list[Tile]) -> None:
    pair = tiles[0]
    found = detector(views(pair.after, pair.before))
    assert f1(found.gone > 0.5, pair.changed) > 0.9
    assert (found.appeared > 0.5).sum() < 0.1 * pair.changed.sum()


@pytest.mark.parametrize(
    ("spots", "tiles_run"),
    [([], 0), ([(100, 100)], 1), ([(100, 100), (104, 112)], 1), ([(10, 10), (380, 380)], 2)],
)
def test_only_selected_parts_are_judged(
    flat: NetworkDetector, runs: list[int], spots: list[tuple[int, int]], tiles_run: int
) -> None:
    bright = np.full((400, 400, 3), 255, np.uint8)
    wanted = np.zeros((400, 400), np.bool_)
    for y, x in spots:
        wanted[y : y + 10, x : x + 10] = True
    found = flat.judge(views(np.zeros_like(bright), bright), wanted)
    np.testing.assert_allclose(found.appeared, wanted.astype(np.float32), atol=1e-4)
    assert len(runs) == tiles_run and not found.gone.any()


def test_a_windows_margin_is_context_only(flat: NetworkDetector, runs: list[int]) -> None:
    bright = np.full((200, 200, 3), 255, np.uint8)
    core = slice(90, 110), slice(80, 112)
    found = flat(replace(views(np.zeros_like(bright), bright), core=core)).appeared
    assert len(runs) == 1
    expected = np.zeros((200, 200), np.float32)
    expected[core] = 1
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_masked_pixels_have_probability_0(flat: NetworkDetector, runs: list[int]) -> None:
    bright = np.full((160, 160, 3), 255, np.uint8)
    quality = np.full((160, 160), Quality.CLOUD, np.uint8)
    assert not flat(views(bright, bright, quality=quality)).appeared.any() and not runs
    quality[:40, :40] = Quality.CLEAR
    found = flat(views(bright, bright, quality=quality)).appeared
    np.testing.assert_allclose(found, (quality == Quality.CLEAR).astype(np.float32), atol=1e-4)
    assert len(runs) == 1


def test_nodata_does_not_hide_change_beside_it(
    detector: NetworkDetector, tiles: list[Tile]
) -> None:
    pair = tiles[1]
    quality = np.zeros((256, 256), np.uint8)
    quality[:, :128] = Quality.NODATA
    after = pair.after.copy()
    after[:, :128] = 0
    found = detector(views(pair.before, after, quality=quality)).appeared
    assert f1(found[:, 128:] > 0.5, pair.changed[:, 128:]) > 0.9
    assert not found[:, :128].any()


def test_a_window_is_cropped_to_the_images_extent(flat: NetworkDetector) -> None:
    after, quality = np.zeros((160, 160, 3), np.uint8), np.full((160, 160), Quality.NODATA)
    after[20:, 30:], quality[20:, 30:] = 204, Quality.CLEAR
    found = flat(views(np.zeros_like(after), after, quality=quality)).appeared
    np.testing.assert_allclose(found, 0.8 * (quality == Quality.CLEAR), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "least"),
    [(512, 0.9), (256, 0.9), (232, 0.9), (128, 0.9), (100, 0.88), (64, 0.85), (43, 0.65)],
)
def test_other_resolutions_are_resampled_to_the_networks(
    detector: NetworkDetector, tiles: list[Tile], side: int, least: float
) -> None:
    found, changed = [], []
    for pair in tiles:
        how = cv2.INTER_AREA if side < 256 else cv2.INTER_LINEAR
        images: list[Any] = [pair.before, pair.after, pair.changed.astype(np.float32)]
        before, after, truth = (
            cv2.resize(image, (side, side), interpolation=how) for image in images
        )
        found.append(detector(views(before, after, metres=128 / side)).appeared > 0.5)
        changed.append(truth >= 0.5)
    assert found[0].shape == (side, side)
    assert f1(np.stack(found), np.stack(changed)) > least


@pytest.mark.parametrize(
    ("metres", "margin"), [(None, 32), (0.5, 32), (0.55, 32), (1.0, 16), (2.0, 13), (0.25, 64)]
)
def test_the_margin_is_in_pixels_of_the_windows(
    network: ChangeNetwork, metres: float | None, margin: int
) -> None:
    assert NetworkDetector(network, views_m=metres).margin_px == margin


def test_near_infrared_is_ignored(flat: NetworkDetector) -> None:
    after = np.full((64, 64, 4), 51, np.uint8)
    after[..., 3] = 255
    found = flat(views(np.zeros_like(after), after))
    np.testing.assert_allclose(found.appeared, 0.2, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(40, 300), (256, 17), (5, 5), (257, 256)])
def test_windows_of_any_size_are_accepted(flat: NetworkDetector, height: int, width: int) -> None:
    after = np.full((height, width, 3), 51, np.uint8)
    found = flat(views(after, after))
    assert found.appeared.shape == found.gone.shape == (height, width)
    np.testing.assert_allclose(found.appeared, 0.2, atol=1e-4)


def bands(count: int) -> Views:
    image = np.zeros((64, 64, count), np.uint8)
    return views(image, image)


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        (lambda: bands(1), (64, 64), "needs red, green and blue"),
        (lambda: bands(3), (64, 32), "parts differ in size"),
        (
            lambda: Views(*(np.zeros((8, 8, 3), np.uint8),) * 2, np.zeros((8, 9), np.uint8), 0.5),
            (8, 9),
            "parts differ in size",
        ),
        (
            lambda: views(*(np.zeros((8, 8, 3), np.uint8),) * 2, metres=10.0),
            (8, 8),
            "pixels of 10 m are too coarse for the network 'flat', .* beyond 4 m: .*classical",
        ),
    ],
)
def test_windows_with_mismatched_parts_are_refused(
    flat: NetworkDetector, given: Callable[[], Views], wanted: tuple[int, int], message: str
) -> None:
    with pytest.raises(SatelliteError, match=message):
        flat.judge(given(), np.ones(wanted, np.bool_))


def test_a_network_without_a_resolution_is_refused(flat: NetworkDetector) -> None:
    flat.network.resolution_m = None
    with pytest.raises(SatelliteError, match="'flat' does not state the resolution"):
        NetworkDetector(flat.network)
    assert NetworkDetector(flat.network, resolution_m=2.0).resolution_m == 2.0
