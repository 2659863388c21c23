"""Where things stand in a view, and how large a metre is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Height of a person for whom the views' sizes were read, metres.
PERSON_M = 1.7


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground of a view, flat, seen by a camera that is not tilted sideways.

    Attributes:
        horizon: Row at which a person has no height; above the picture where negative.
        person: Height of a person whose feet are in the row ``height``.
        height: Of the picture.
        polygon: ``(n, 2)``, x and y of corners of the ground that can be walked on.
        has_traffic: Whether vehicles drive there.
    """

    horizon: float
    person: float
    height: float
    polygon: NDArray[np.float64]
    has_traffic: bool

    def metre(self, row: float) -> float:
        """Length of an upright metre whose foot is in a row, same unit as the picture's height."""
        share = max(0.0, row - self.horizon) / (self.height - self.horizon)
        return self.person / PERSON_M * share

    def row_of(self, metre: float) -> float:
        """The row in which an upright metre has a length: the inverse of :meth:`metre`."""
        return self.horizon + metre * PERSON_M / self.person * (self.height - self.horizon)

    def window(self, left: float, top: float, scale: float, height: float) -> Ground:
        """The same ground in a window of the picture that begins at ``left, top``, then scaled."""
        below = self.metre(top + height / scale) * PERSON_M
        polygon = (self.polygon - (left, top)) * scale
        return Ground(
            (self.horizon - top) * scale, below * scale, height, polygon, self.has_traffic
        )

    def mirrored(self, width: float) -> Ground:
        """The same ground in the mirrored picture."""
        polygon = self.polygon * (-1, 1) + (width, 0)
        return Ground(self.horizon, self.person, self.height, polygon, self.has_traffic)

    def span(self, row: float) -> tuple[float, float] | None:
        """Left and right end of the ground in a row; ``None`` where there is none."""
        crossings = []
        for (x0, y0), (x1, y1) in zip(self.polygon, np.roll(self.polygon, -1, axis=0), strict=True):
            if min(y0, y1) <= row < max(y0, y1):
                crossings.append(x0 + (x1 - x0) * (row - y0) / (y1 - y0))
        return (min(crossings), max(crossings)) if len(crossings) >= 2 else None
