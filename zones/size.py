"""The smallest thing that counts: a share of the frame's height, or metres on the ground.

A number of pixels would mean another thing on every camera: 16 pixels are a bag on a picture of 240
lines, and a cup on one of 2160.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zones.camera import Camera

#: The key of earlier releases, in pixels.
OLD_KEY = "min_size_px"
# Frame heights for which the message about the old key gives a value.
_USUAL_HEIGHTS = (576, 1080)


@dataclass(frozen=True, slots=True)
class MinSize:
    """The smallest short side of a box that counts, at each place of one camera's picture.

    Attributes:
        side_px: The side in pixels of the frame, where metres are not given or not known.
        metres: The side in metres; ``None`` where the size is no length on the ground.
        camera: The camera whose ground control points give metres.
    """

    side_px: float
    metres: float | None = None
    camera: Camera | None = None

    def at(self, x: float, y: float) -> float:
        """The side in pixels for a thing that touches the ground at a pixel.

        Args:
            x: Pixel in the full frame, right.
            y: Pixel in the full frame, down.
        """
        if self.metres is None or self.camera is None:
            return self.side_px
        scale = self.camera.metres_per_pixel(x, y)
        return self.side_px if scale is None else self.metres / scale

    def counts(self, box: Iterable[float]) -> bool:
        """Whether a box is large enough; the middle of its lower edge is where the thing stands.

        Args:
            box: ``(x1, y1, x2, y2)`` in pixels of the frame.
        """
        x1, y1, x2, y2 = (float(value) for value in box)
        return min(x2 - x1, y2 - y1) >= self.at((x1 + x2) / 2, y2)

    def least(self, bounds: tuple[float, float, float, float]) -> float:
        """The smallest side in pixels of a thing anywhere in a part of the picture.

        Args:
            bounds: ``(x1, y1, x2, y2)`` of the part, in pixels of the frame.

        Returns:
            The side; 0 where the part reaches up to where the ground's scale is not known, since
            things are as small as can be seen there.
        """
        if self.metres is None or self.camera is None:
            return self.side_px
        x1, y1, x2, y2 = bounds
        # Pixels per metre are linear in the picture, so that the least is at a corner.
        scales = [self.camera.metres_per_pixel(x, y) for x in (x1, x2) for y in (y1, y2)]
        known = [scale for scale in scales if scale is not None]
        return self.metres / max(known) if len(known) == len(scales) else 0.0


def share_of_pixels(pixels: Any, height: int | None) -> str:
    """The share of the frame's height that a number of pixels is, as text for a message.

    Args:
        pixels: The value of the old key, whatever it is.
        height: Height of the frame in pixels; ``None`` if unknown.
    """
    is_number = isinstance(pixels, int | float) and not isinstance(pixels, bool)
    if not is_number or not (math.isfinite(pixels) and pixels > 0):
        return "pixels / height of the frame in pixels"
    if height is not None and pixels < height:
        return f"{pixels / height:.2g}"
    usual = [each for each in _USUAL_HEIGHTS if pixels < each]
    examples = ", ".join(f"{pixels / each:.2g} at {each} lines" for each in usual)
    formula = f"{pixels:g} / height of the frame in pixels"
    return f"{formula} ({examples})" if examples else formula
