"""The published plate network of the test data as a plate detector for redaction.

A RetinaFace (Deng et al., arXiv 1905.00641) of the zeusees License-Plate-Detector: input BGR minus
its mean, strides 8, 16 and 32, landmarks for the four corners.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from cv_engine.evidence.media.redact import Plates, Quad
from cv_engine.evidence.media.still import Image

_MEAN_BGR = (104.0, 117.0, 123.0)
_SIDES_PX = {8: (24, 48), 16: (96, 192), 32: (384, 768)}
_VARIANCE = 0.1
_CONFIDENCE = 0.5
_STEP_PX = 32


def plate_network(path: Path) -> Plates:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def plates(image: Image) -> list[Quad]:
        height, width = (-(-side // _STEP_PX) * _STEP_PX for side in image.shape[:2])
        padded = cv2.copyMakeBorder(
            *(image, 0, height - image.shape[0], 0, width - image.shape[1]),
            cv2.BORDER_CONSTANT,
            value=_MEAN_BGR,
        )
        blob = cv2.dnn.blobFromImage(padded, 1.0, mean=_MEAN_BGR)
        _, confidence, points = session.run(None, {"image": blob})
        sure = confidence[0, :, 1] >= _CONFIDENCE
        priors = _priors(height, width)[sure]
        corners = points[0][sure].reshape(-1, 4, 2) * _VARIANCE * priors[:, None, 2:]
        return list((corners + priors[:, None, :2]).astype(np.float32))

    return plates


def _priors(height: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Centres and sides in pixels, ``(n, 4)``."""
    rows = [
        ((column + 0.5) * stride, (row + 0.5) * stride, side, side)
        for stride, sides in _SIDES_PX.items()
        for row in range(-(-height // stride))
        for column in range(-(-width // stride))
        for side in sides
    ]
    return np.array(rows, dtype=np.float64)
