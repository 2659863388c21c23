"""Stretches images of more than 8 bits to 8 bits."""

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
# and glare, and may be saturated.
_BLACK = 0.5
_WHITE = 99.0
# Types that OpenCV's function takes; others are converted to float32 first.
_FAST = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True, slots=True)
class Span:
    """The values that become black and white; values between are scaled linearly."""

    low: float
    high: float

    def picture(self, plane: NDArray[Any]) -> Picture:
        """Converts a band ``(height, width)`` to 8 bits; values beyond the span are clipped."""
        source = plane if plane.dtype.name in _FAST else plane.astype(np.float32)
        gain = 255.0 / (self.high - self.low)
        # OpenCV's only function that scales, shifts, rounds and saturates in one pass.
        scaled = cv2.addWeighted(source, gain, source, 0.0, -self.low * gain, dtype=cv2.CV_8U)
        return np.asarray(scaled, np.uint8)


def spans_of(samples: Mapping[Role, NDArray[Any]]) -> dict[Role, Span]:
    """Estimates the spans with which an image is stretched.

    Red, green and blue have the same scale, so that colours are kept, but each starts at its own
    darkest pixels: haze adds light to all pixels of a band, most to blue (dark object subtraction:
    Chavez, 1988). Infrared is far brighter over plants and has its own scale.

    Args:
        samples: Values of each band from all over the image; red, green and blue are required.
    """
    lows = {role: _percentile(values, _BLACK) for role, values in samples.items()}
    width = max(_percentile(samples[role], _WHITE) - lows[role] for role in COLOURS)
    spans: dict[Role, Span] = {}
    for role, low in lows.items():
        own = width if role in COLOURS else _percentile(samples[role], _WHITE) - low
        # An image of one value becomes black.
        spans[role] = Span(low, low + (own if own > 0 else max(abs(low), 1.0)))
    return spans


def _percentile(values: NDArray[Any], share: float) -> float:
    return float(np.percentile(values, share)) if values.size else 0.0
