"""The program's own reader, and the detector of plates."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from models.plates.countries.china import CHINA
from models.plates.detector import PlateDetector, open_plate_detector
from models.plates.reader import PlateReader, open_reader


@pytest.fixture(scope="session")
def plate_detector(shared_data: Path) -> PlateDetector:
    return open_plate_detector(shared_data / "weights" / "clp_det.onnx", confidence=0.3)


@pytest.fixture(scope="session")
def reader() -> PlateReader:
    return open_reader(CHINA)


@pytest.fixture(scope="session")
def car(shared_data: Path) -> npt.NDArray[np.uint8]:
    """A car whose plate is 鲁B995EQ."""
    path = shared_data / "plates" / "easypr_general" / "鲁B995EQ.jpg"
    data = np.frombuffer(path.read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
