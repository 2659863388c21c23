"""Pictures of 8 bits from images of more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.bands import COLOURS, Role
from satellite.imagery.views import Picture

# Percentiles that become black and white: the darkest and brightest pixels are sensor noise, cloud
# and glare, and may saturate.
_BLACK = 0.5
_WHITE = 99.0
# Types that OpenCV computes with; others are made float32 first.
_FAST = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True, slots=True)
class Span:
    """Values that become black and white, and linearly what lies between."""

    low: float
    high: float

    def picture(self, plane: NDArray[Any]) -> Picture:
        """Makes 8 bits of a band ``(height, width)``; beyond the span they are black and white."""
        source = plane if plane.dtype.name in _FAST else plane.astype(np.float32)
        gain = 255.0 / (self.high - self.low)
        # The one function of OpenCV that scales, shifts, rounds and saturates in one pass.
        scaled = cv2.addWeighted(source, gain, source, 0.0, -self.low * gain, dtype=cv2.CV_8U)
        return np.asarray(scaled, np.uint8)


def spans_of(samples: Mapping[Role, NDArray[Any]]) -> dict[Role, Span]:
    """Learns how an image is shown.

    Red, green and blue are scaled alike, so that colours stay what they are, but each begins at its
    own darkest pixels: haze adds light to all pixels of a band, to blue the most (dark object
    subtraction: Chavez, 1988). Infrared is far brighter over plants and has its own scale.

    Args:
        samples: Values of each band from all over the image; red, green and blue among them.
    """
    lows = {role: _percentile(values, _BLACK) for role, values in samples.items()}
    width = max(_percentile(samples[role], _WHITE) - lows[role] for role in COLOURS)
    spans: dict[Role, Span] = {}
    for role, low in lows.items():
        own = width if role in COLOURS else _percentile(samples[role], _WHITE) - low
        # An image of one value is shown black.
        spans[role] = Span(low, low + (own if own > 0 else max(abs(low), 1.0)))
    return spans


def _percentile(values: NDArray[Any], share: float) -> float:
    return float(np.percentile(values, share)) if values.size else 0.0
