"""Plates in a picture, found and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.plates.detector import FoundPlate, PlateDetector
from models.plates.reader import PlateReader, Reading
from models.plates.rectify import one_line, two_lines
from models.plates.voting import Knowledge, PlateText, vote

Image = npt.NDArray[np.uint8]

# Plates narrower than this for their height are read as two lines as well: 440 x 220 mm against
# 440 x 140 mm or longer, with what perspective does to them.
_TWO_LINE_ASPECT = 2.7


@dataclass(frozen=True, slots=True, eq=False)
class SeenPlate:
    """A plate in one picture.

    Attributes:
        found: Where the plate is.
        reading: What the reader sees.
        text: The plate as read from this picture alone.
    """

    found: FoundPlate
    reading: Reading
    text: PlateText


class PlateRecogniser:
    """Finds and reads plates.

    Args:
        detector: Finds plates.
        reader: Reads them.
    """

    def __init__(self, detector: PlateDetector, reader: PlateReader) -> None:
        self.detector = detector
        self.reader = reader

    def __call__(self, image: Image, side_px: int | None = None) -> list[SeenPlate]:
        """Find and read the plates of a picture.

        Args:
            image: BGR, ``(height, width, 3)`` uint8.
            side_px: Longer side at which plates are looked for; the picture's own if left out.

        Returns:
            The plates, the most confidently found first.

        Raises:
            ModelError: A network fails.
        """
        return self.read(image, self.detector(image, side_px))

    def read(self, image: Image, found: Sequence[FoundPlate]) -> list[SeenPlate]:
        """Read plates that were found in a picture."""
        ways = [[one_line(image, plate.corners)] for plate in found]
        if self.reader.country.two_lines:
            for plate, pictures in zip(found, ways, strict=True):
                if plate.width_px < _TWO_LINE_ASPECT * plate.height_px:
                    pictures.append(two_lines(image, plate.corners))
        readings = iter(self.reader([picture for pictures in ways for picture in pictures]))
        seen = []
        for plate, pictures in zip(found, ways, strict=True):
            options = [self._seen(plate, next(readings)) for _ in pictures]
            seen.append(max(options, key=lambda option: option.text.confidence))
        return seen

    def vote(
        self, readings: Sequence[Reading], knowledge: Knowledge | None = None
    ) -> PlateText | None:
        """Combine readings of one plate, see :func:`models.plates.voting.vote`."""
        return vote(readings, self.reader.country, self.reader.calibration, knowledge)

    def _seen(self, plate: FoundPlate, reading: Reading) -> SeenPlate:
        text = self.vote([reading])
        assert text is not None  # one reading is enough for a text
        return SeenPlate(plate, reading, text)
