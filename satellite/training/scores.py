"""Confusion counts of pixels, and accuracy figures from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from satellite.imagery.views import Probability
from satellite.training.samples import Mask

THRESHOLD = 0.5  # probability from which a pixel is classified as changed


@dataclass(frozen=True, slots=True)
class Counts:
    """Confusion counts of pixels; figures with a zero denominator are 0.

    Attributes:
        true: Changed pixels that were found (true positives).
        false: Unchanged pixels that were found (false positives).
        missed: Changed pixels that were not found (false negatives).
    """

    true: int = 0
    false: int = 0
    missed: int = 0

    @classmethod
    def of(cls, found: Probability, truth: Mask, known: Mask) -> Counts:
        """Counts the pixels of one picture.

        Args:
            found: ``(height, width)`` probability of change.
            truth: 1 where there is change.
            known: 1 where the truth is known; other pixels do not count.

        Returns:
            The counts at :data:`THRESHOLD`.
        """
        yes, changed, counts = found >= THRESHOLD, truth > 0, known > 0
        return cls(
            int(np.count_nonzero(yes & changed & counts)),
            int(np.count_nonzero(yes & ~changed & counts)),
            int(np.count_nonzero(~yes & changed & counts)),
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.true + other.true, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Share of the found pixels that are changed."""
        return _share(self.true, self.true + self.false)

    @property
    def recall(self) -> float:
        """Share of the changed pixels that are found."""
        return _share(self.true, self.true + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.true, 2 * self.true + self.false + self.missed)

    @property
    def iou(self) -> float:
        """Intersection over union of found and changed."""
        return _share(self.true, self.true + self.false + self.missed)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
