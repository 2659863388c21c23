from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.demo.clip import RATE, RECORDED, compose
from cv_engine.demo.layers import SceneLayers, split_photograph


@pytest.fixture(scope="module")
def layers() -> SceneLayers:
    """Layers of random blocks in the photograph's size; the tests do not depend on its content."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (27, 20, 3), dtype=np.uint8)
    photo = coarse.repeat(40, axis=0).repeat(41, axis=1)[:1080, :810]
    return split_photograph(np.ascontiguousarray(photo))


def _decoded(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="bgr24").astype(np.uint8) for frame in container.decode(video=0)
        ]


def test_the_clip_is_of_a_fixed_camera_and_has_its_recording_time(
    layers: SceneLayers, tmp_path: Path
) -> None:
    out = tmp_path / "street.mp4"
    shares: list[float] = []
    compose(layers, out, shares.append, seconds=3)
    assert shares[-1] == 1.0
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (810, 1080, 3 * RATE)
        assert container.metadata["creation_time"].startswith(
            RECORDED.strftime("%Y-%m-%dT%H:%M:%S")
        )
        keys = [packet.pts for packet in container.demux(stream) if packet.is_keyframe]
        assert len(keys) == 2  # one every two seconds
    pictures = _decoded(out)
    wall = np.s_[100:180, 300:500]
    assert np.abs(pictures[0][wall].astype(int) - pictures[-1][wall]).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["street.mp4"]


def test_the_same_layers_give_the_same_clip(layers: SceneLayers, tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for path in (first, second):
        compose(layers, path, seconds=0.5)
    for one, other in zip(_decoded(first), _decoded(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_photograph_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not"):
        split_photograph(np.zeros((10, 10, 3), np.uint8))
