"""Real weights and images for the tests of the detectors."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models import ModelError
from models.detector import Image
from models.registry.weights import Weights, fetch


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all test processes, which fetch weights once and use the lock."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if base.name.startswith("popen-") else base) / "models"


@pytest.fixture(scope="session")
def yolov8n(model_cache: Path) -> Weights:
    try:
        return fetch("yolov8n", cache=model_cache)
    except ModelError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip(f"no source of weights is reached from here: {error}")


@pytest.fixture(scope="session")
def yolox_nano(shared_data: Path) -> Path:
    return shared_data / "weights" / "yolox_nano.onnx"


@pytest.fixture(scope="session")
def coco_image(shared_data: Path) -> Image:
    """A woman under an umbrella, 640 x 481."""
    image = cv2.imread(str(shared_data / "detector/coco128/images/000000000036.jpg"))
    return np.asarray(image, np.uint8)
