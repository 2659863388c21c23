"""Draw zones on a frame, for checks by people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from shapely.geometry import MultiPolygon, Polygon

from zones.errors import Problem, ZoneError
from zones.zone import Zone

Image = npt.NDArray[np.uint8]

# Blue, green, red. Distinguishable with colour blindness (Okabe and Ito 2008), without black.
_COLOURS = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
_FILL = 0.3  # opacity; things in the zone stay visible
_LINE_PART = 1 / 500  # line width as part of the frame's longer side
_TEXT_PART = 1 / 32  # text height as part of the frame's shorter side
_LEAST_TEXT_PX = 12  # below this, letters cannot be read
_TEXT_WEIGHT = 400  # regular
_SUBPIXEL_BITS = 4  # corners are drawn to 1/16 pixel


@dataclass(frozen=True, slots=True)
class Label:
    """A text on a frame.

    Attributes:
        text: The text, in any script.
        middle: ``(x, y)`` in pixels, where the label's middle is to be.
        colour: Blue, green, red of the frame around it.
    """

    text: str
    middle: tuple[float, float]
    colour: tuple[int, int, int]


def draw_zones(image: Image, zones: Iterable[Zone]) -> Image:
    """A copy of the frame with each zone filled, outlined and named.

    Args:
        image: (H, W, 3) uint8, blue-green-red.
        zones: Zones in pixels of this frame (see :func:`zones.zone.visible_zones`).

    Returns:
        (H, W, 3) uint8; the given image is not changed.

    Raises:
        ZoneError: A zone is in WGS 84.
    """
    zones = list(zones)
    for zone in zones:
        if zone.frame != "image":
            what = "a zone in WGS 84 cannot be drawn on a frame"
            raise ZoneError(Problem(f"zone {zone.name}", what, "convert it with on_image first"))
    filled = image.copy()
    for number, zone in enumerate(zones):
        cv2.fillPoly(filled, _rings(zone.polygon), _colour(number), cv2.LINE_AA, _SUBPIXEL_BITS)
    result = cv2.addWeighted(filled, _FILL, image, 1 - _FILL, 0)
    width = max(1, round(max(image.shape[:2]) * _LINE_PART))
    for number, zone in enumerate(zones):
        rings = _rings(zone.polygon)
        cv2.polylines(result, rings, True, _colour(number), width, cv2.LINE_AA, _SUBPIXEL_BITS)
    return write_labels(np.asarray(result, dtype=np.uint8), _names(zones))


def text_size_px(image: Image) -> int:
    """Height of letters that can be read on a frame."""
    height, width = image.shape[:2]
    size: int = max(_LEAST_TEXT_PX, round(min(height, width) * _TEXT_PART))
    return size


def _colour(number: int) -> tuple[int, int, int]:
    return _COLOURS[number % len(_COLOURS)]


def _rings(polygon: Polygon | MultiPolygon) -> list[npt.NDArray[np.int32]]:
    parts = polygon.geoms if isinstance(polygon, MultiPolygon) else [polygon]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    scale = 2**_SUBPIXEL_BITS
    # In OpenCV pixel centres have whole coordinates; in zones pixel edges have.
    return [np.round((np.asarray(r.coords)[:, :2] - 0.5) * scale).astype(np.int32) for r in rings]


def _names(zones: Sequence[Zone]) -> list[Label]:
    middles = [zone.polygon.representative_point() for zone in zones]
    return [
        Label(zone.name, (middle.x, middle.y), _colour(number))
        for number, (zone, middle) in enumerate(zip(zones, middles, strict=True))
    ]


def write_labels(image: Image, labels: Iterable[Label]) -> Image:
    """Write labels into a frame, inside it and beside each other; returns the same frame."""
    size = text_size_px(image)
    # The only built-in font of OpenCV 5 with Chinese: zone names may be in any script.
    font = cv2.FontFace("uni")
    margin = size // 3
    taken: list[tuple[int, int, int, int]] = []
    for label in labels:
        left, top, width, height = cv2.getTextSize(
            image.shape[1::-1], label.text, (0, 0), font, size, _TEXT_WEIGHT
        )
        x, y = label.middle
        box = _free_place(
            (round(x) - width // 2 - margin, round(y) - height // 2 - margin),
            (width + 2 * margin, height + 2 * margin),
            image.shape[1::-1],
            taken,
        )
        taken.append(box)
        cv2.rectangle(image, box, (0, 0, 0), cv2.FILLED)
        cv2.rectangle(image, box, label.colour, 1)
        origin = (box[0] + margin - left, box[1] + margin - top)
        cv2.putText(image, label.text, origin, (255, 255, 255), font, size, _TEXT_WEIGHT)
    return image


def _free_place(
    corner: tuple[int, int],
    size: tuple[int, int],
    frame: tuple[int, ...],
    taken: Iterable[tuple[int, int, int, int]],
) -> tuple[int, int, int, int]:
    """A label's box ``(left, top, width, height)``: inside the frame, below overlapping labels."""
    width, height = size
    left = max(0, min(corner[0], frame[0] - width))
    top = max(0, min(corner[1], frame[1] - height))
    for other_left, other_top, other_width, other_height in sorted(taken, key=lambda box: box[1]):
        beside = left >= other_left + other_width or other_left >= left + width
        apart = top >= other_top + other_height or other_top >= top + height
        below = other_top + other_height
        if not beside and not apart and below + height <= frame[1]:
            top = below
    return left, top, width, height
