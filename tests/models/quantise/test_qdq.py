from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper

from models import ModelError
from models.detector import Image, open_detector
from models.quantise.calibration_data import frames
from models.quantise.qdq import last_convolutions, quantise, sensitive
from models.registry.weights import fetch
from models.runtime.graph import inspect


def test_eight_bits_find_the_same(
    yolox_nano: Path, shared_data: Path, tmp_path: Path, coco_image: Image
) -> None:
    result = quantise(fetch(yolox_nano), shared_data / "detector/coco128", cache=tmp_path, count=2)
    assert inspect(result.path).quantised
    found = [
        open_detector(yolox_nano, precision=precision, confidence=0.5, cache=tmp_path)(
            [coco_image]
        )[0]
        for precision in ("fp32", "int8")
    ]
    plain, small = (f.xyxy[np.argsort(f.data["class_name"])] for f in found)
    np.testing.assert_allclose(plain, small, atol=25)
    with pytest.raises(ModelError, match="is quantised already"):
        quantise(result, shared_data / "detector/coco128", cache=tmp_path)
    result.path.write_bytes(result.path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="has not been quantised"):
        open_detector(yolox_nano, precision="int8", cache=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [({}, "neither images nor videos"), ({"a.jpg": b"no jpeg"}, "can be read")],
)
def test_without_frames_there_is_no_quantised_model(
    yolox_nano: Path, tmp_path: Path, content: dict[str, bytes], message: str
) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    for name, data in content.items():
        (source / name).write_bytes(data)
    with pytest.raises(ModelError, match=message):
        quantise(fetch(yolox_nano), source, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.onnx"))


def test_frames_come_from_images_and_videos(shared_data: Path, tmp_path: Path) -> None:
    for index in range(9):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((8, 8, 3), index, np.uint8))
    assert [int(image[0, 0, 0]) for image in frames(tmp_path, 3)] == [0, 4, 8]
    assert len(list(frames(tmp_path, 100))) == 9
    videos = list(frames(shared_data / "video", 16))
    assert len(videos) == 16 and all(v.dtype == np.uint8 and v.shape[2] == 3 for v in videos)
    with pytest.raises(ModelError, match="there is no such"):
        list(frames(tmp_path / "none", 3))


def test_last_and_depthwise_convolutions_stay() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w"], ["b"], name="depthwise", group=8),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "w"], ["d"], name="box"),
        helper.make_node("Conv", ["c", "w"], ["e"], name="score"),
        helper.make_node("Add", ["d", "e"], ["y"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "test", [], []))
    assert set(last_convolutions(model)) == {"box", "score"}
    assert set(sensitive(model)) == {"box", "score", "depthwise"}
    assert isinstance(model, onnx.ModelProto)
