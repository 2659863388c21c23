"""Real tiles as georeferenced images of several dates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.satellite.images import write

# A tile with one large building and several houses, and one in which nothing was built.
_GROWING = ("test_121_0768_0256", "train_386_0512_0768")


class Tiles:
    """Tiles of LEVIR-CD, 256 x 256 pixels of 0.5 m.

    Args:
        data: The folder of test data.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "satellite/levir"
        self.weights = str(data / "satellite/weights/tinycd_levir.pth")

    def before(self, name: str) -> NDArray[np.uint8]:
        """RGB ``(3, 256, 256)`` of the earlier date."""
        return self._rgb("A", name)

    def after(self, name: str) -> NDArray[np.uint8]:
        """RGB ``(3, 256, 256)`` of the later date."""
        return self._rgb("B", name)

    def label(self, name: str) -> NDArray[np.bool_]:
        """``(256, 256)``: mask of new buildings."""
        found = cv2.imread(str(self._folder / "label" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        assert found is not None
        return np.asarray(found > 127, np.bool_)

    def beside(self, names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Several tiles side by side, RGB ``(3, 256, n * 256)``, at both dates."""
        earlier = np.concatenate([self.before(name) for name in names], axis=2)
        later = np.concatenate([self.after(name) for name in names], axis=2)
        return earlier, later

    def growing(self) -> tuple[NDArray[np.uint8], ...]:
        """A site at three dates, RGB ``(3, 256, 512)``: empty, half of a building, all of it.

        Beside the site lies unchanged ground, at the third date in other light.
        """
        before, after = self.beside(_GROWING)
        label = self.label(_GROWING[0]).astype(np.uint8)
        _, parts, stats, centres = cv2.connectedComponentsWithStats(label)
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        whole = cv2.dilate((parts == largest).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        half = whole.copy()
        half[:, int(centres[largest][0]) :] = False
        started, done = before.copy(), after.copy()
        started[:, :, :256][:, half] = after[:, :, :256][:, half]
        done[:, :, :256][:, ~whole] = before[:, :, :256][:, ~whole]
        return before, started, done

    def _rgb(self, date: str, name: str) -> NDArray[np.uint8]:
        image = cv2.imread(str(self._folder / date / f"{name}.png"))
        assert image is not None
        return np.ascontiguousarray(np.moveaxis(np.asarray(image[:, :, ::-1], np.uint8), 2, 0))


def image(folder: Path, day: str, picture: NDArray[np.uint8]) -> Path:
    """Writes an image with the day (YYYYMMDD) in its name."""
    folder.mkdir(parents=True, exist_ok=True)
    return write(folder / f"aerial-{day}.tif", picture, tiled=True, blockxsize=256, blockysize=256)
