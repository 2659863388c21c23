"""Reads rectified plates: a probability for each character at each place, and for each layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.plates.rectify import INPUT_HEIGHT_PX, INPUT_WIDTH_PX
from models.plates.syntax import Country
from models.platt import Platt
from models.runtime.graph import inspect
from models.runtime.runtime import Runtime, load

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the readers that come with the program."""
CALIBRATION = "calibration"
"""Key of a reader's metadata that holds its calibration, see :class:`models.platt.Platt`."""

_BATCH = 16  # pictures at once: more take memory and save nothing on one thread


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the network sees in one picture of a plate.

    Attributes:
        places: Log-probability of each character at each place, ``(places, characters)``.
        layouts: Probability of each layout, ``(layouts,)``.
    """

    places: Floats
    layouts: Floats


class PlateReader:
    """Reads plates; calls from several threads run one after the other.

    Args:
        country: Whose plates are read.
        runtime: The loaded network.
        calibration: What makes the probability of a whole plate true.
    """

    def __init__(self, country: Country, runtime: Runtime, calibration: Platt) -> None:
        self.country = country
        self.calibration = calibration
        self._runtime = runtime
        self._lock = Lock()

    def __call__(self, pictures: Sequence[Image]) -> list[Reading]:
        """Read plates.

        Args:
            pictures: Rectified plates, ``(32, 128, 3)`` BGR uint8, see
                :mod:`models.plates.rectify`.

        Returns:
            One reading for each picture, in order.

        Raises:
            ModelError: A picture is of another shape, or the network fails.
        """
        for index, picture in enumerate(pictures):
            if picture.shape != (INPUT_HEIGHT_PX, INPUT_WIDTH_PX, 3):
                raise ModelError(
                    f"plate {index} has shape {picture.shape}; give "
                    f"({INPUT_HEIGHT_PX}, {INPUT_WIDTH_PX}, 3)"
                )
        readings: list[Reading] = []
        for begin in range(0, len(pictures), _BATCH):
            batch = pictures[begin : begin + _BATCH]
            blob = np.asarray(cv2.dnn.blobFromImages(batch), np.float32)
            with self._lock:
                characters, layouts = self._runtime.run(blob)
            logs = _log_softmax(characters)
            shares = np.exp(_log_softmax(layouts))
            readings += [Reading(log, share) for log, share in zip(logs, shares, strict=True)]
        return readings


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


def open_reader(country: Country, path: Path | None = None, *, threads: int = 1) -> PlateReader:
    """Open a country's reader.

    Args:
        country: Whose plates are read.
        path: The network; the one that comes with the program if left out.
        threads: CPU threads.

    Raises:
        ModelError: The network is missing, damaged or made for other characters.
    """
    path = path or WEIGHTS / country.reader
    graph = inspect(path)
    made_for = graph.metadata.get("characters")
    if made_for != "".join(country.characters):
        raise ModelError(f"{path}: this network does not read the characters of {country.name}")
    calibration = Platt.from_text(graph.metadata.get(CALIBRATION, Platt().to_text()))
    return PlateReader(country, load(graph, "onnxruntime", "fp32", threads), calibration)
