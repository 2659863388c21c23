"""Pairs of aerial images in which buildings changed, for the tests of change networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Tile(NamedTuple):
    """A tile of LEVIR-CD: RGB of both dates ``(256, 256, 3)``, and where a building changed."""

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    changed: Mask


def tile(shared_data: Path, name: str) -> Tile:
    folder = shared_data / "satellite" / "levir"
    before, after = (_rgb(folder / date / f"{name}.png") for date in "AB")
    return Tile(before, after, _rgb(folder / "label" / f"{name}.png")[..., 0] > 127)


def f1(found: NDArray[Any], changed: Mask) -> float:
    """F1 of the changed class, pixels."""
    return float(2 * (found & changed).sum() / (found.sum() + changed.sum()))


def _rgb(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    assert image is not None, path
    return np.ascontiguousarray(image[..., ::-1], np.uint8)
