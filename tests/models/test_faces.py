"""Faces are found where they are, in pictures of any size, whatever their scale."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import ModelError, ModelUnavailable
from models.faces import Faces, Image, open_faces
from models.registry.manifest import load_manifest
from models.registry.weights import Weights

# Two faces of COCO128's 000000000110, checked by eye: x1, y1, x2, y2 in pixels.
_TWO = [(40, 182, 141, 308), (435, 7, 558, 151)]


@pytest.fixture(scope="module")
def faces(model_cache: Path) -> Faces:
    try:
        return open_faces(cache=model_cache)
    except ModelUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def couple(shared_data: Path) -> Image:
    path = shared_data / "detector/coco128/images/000000000110.jpg"
    return np.asarray(cv2.imread(str(path)), np.uint8)


@pytest.mark.parametrize("scale", [0.15, 0.5, 1.0, 3.0])
def test_faces_are_found_at_every_scale(faces: Faces, couple: Image, scale: float) -> None:
    image = np.asarray(cv2.resize(couple, None, fx=scale, fy=scale), np.uint8)
    found = faces(image)
    for box in _TWO:
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2 * scale
        inside = (found[:, :2] <= middle).all(axis=1) & (found[:, 2:4] >= middle).all(axis=1)
        assert inside.any(), (scale, box, found)
        best = found[inside][0]
        assert best[3] - best[1] == pytest.approx((box[3] - box[1]) * scale, rel=0.35)
    assert (np.diff(found[:, 4]) <= 0).all()


@pytest.mark.parametrize("size", [(1, 1), (31, 400), (400, 31), (1080, 1920)])
def test_a_picture_without_faces_has_none(faces: Faces, size: tuple[int, int]) -> None:
    assert faces(np.full((*size, 3), 128, np.uint8)).shape == (0, 5)


def test_another_file_is_refused(tmp_path: Path) -> None:
    spec = load_manifest()["centerface"]
    (tmp_path / "faces.onnx").write_bytes(b"no model")
    for name in ("faces.onnx", "missing.onnx"):
        with pytest.raises(ModelError, match=name):
            Faces(Weights(spec, tmp_path / name, "0"), confidence=0.2, threads=1)
