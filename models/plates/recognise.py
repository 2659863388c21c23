"""Plates in a picture, found and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.plates.detector import FoundPlate, PlateDetector
from models.plates.reader import PlateReader, Reading
from models.plates.rectify import one_line, two_lines
from models.plates.voting import Knowledge, PlateText, averaged, vote

Image = npt.NDArray[np.uint8]

# Widths at which a plate is looked for again, pixels. Corners differ a little with the scale, and a
# reading from several of them is better than the best one: on photographs 0.88 against 0.79 whole
# plates right from the corners of the first search alone.
_CLOSE_UPS_PX = (160, 220, 300)
# Plates narrower than this for their height are read as two lines as well: 440 x 220 mm against
# 440 x 140 mm or longer, with what perspective does to them.
_TWO_LINE_ASPECT = 2.7


@dataclass(frozen=True, slots=True, eq=False)
class SeenPlate:
    """A plate in one picture.

    Attributes:
        found: Where the plate is.
        reading: What the reader sees, averaged over several cuts.
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
        return [self._read(image, plate) for plate in found]

    def read_crop(self, crop: Image) -> SeenPlate:
        """Read a crop that shows one plate and little else."""
        return self._read(crop, FoundPlate.filling(crop))

    def _read(self, image: Image, plate: FoundPlate) -> SeenPlate:
        again = [self.detector.refine(image, plate, width) for width in _CLOSE_UPS_PX]
        cuts = [plate, *(each for each in again if each is not None)]
        ways = [[one_line(image, cut.corners) for cut in cuts]]
        if self.reader.country.two_lines:
            narrow = [cut for cut in cuts if cut.width_px < _TWO_LINE_ASPECT * cut.height_px]
            ways.append([two_lines(image, cut.corners) for cut in narrow])
        options = [
            self._seen(cuts[-1], averaged(self.reader(pictures))) for pictures in ways if pictures
        ]
        return max(options, key=lambda option: option.text.confidence)

    def vote(
        self, readings: Sequence[Reading], knowledge: Knowledge | None = None
    ) -> PlateText | None:
        """Combine readings of one plate, see :func:`models.plates.voting.vote`."""
        return vote(readings, self.reader.country, self.reader.calibration, knowledge)

    def _seen(self, plate: FoundPlate, reading: Reading) -> SeenPlate:
        text = self.vote([reading])
        assert text is not None  # one reading is enough for a text
        return SeenPlate(plate, reading, text)
