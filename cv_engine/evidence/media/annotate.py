"""Draws box, zone and caption on a copy of a still."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import supervision as sv
from shapely.affinity import scale as scaled
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry import box as rectangle

from cv_engine.evidence.media.still import Box, Image, Still

Zone = Polygon | MultiPolygon

_READABLE_PX = 640  # smaller pictures are enlarged by a whole factor, so that the caption fits
_TEXT_SHARE = 1 / 54  # letter size per picture width: legible in print at half a page
_LEAST_TEXT_PX = 15
_LONGEST_LINE = 300  # characters of a line before wrapping: no name or place needs more
BOX_COLOUR = sv.Color(255, 64, 48)  # red: the violation
ZONE_COLOUR = sv.Color(255, 200, 0)  # amber: the zone
STRIP_BGR = (32, 26, 22)
TITLE_BGR = (255, 255, 255)
_TEXT_BGR = (214, 210, 206)
_ZONE_LINE = 0.75  # opacity of the outline; a fill would dim the thing and its plate
_WHOLE_FRAME = 0.98  # a zone that covers this share of the picture has no outline worth drawing
BOLD, REGULAR = 700, 450  # weights of the variable font


def annotate(still: Still, zone: Zone | None, caption: Sequence[str]) -> Image:
    """Draws box and zone on a copy of a still, with a caption strip below.

    The strip hides nothing of the picture. The font is built into OpenCV, so that names in Latin,
    Greek, Cyrillic, Chinese, Japanese, Korean and Arabic script look the same on every machine; a
    character missing in the font is shown as a question mark.

    Args:
        still: The still to draw on; not changed.
        zone: The zone in pixels of the still, if it has one.
        caption: Lines of text; the first is the title. Long lines are wrapped.

    Returns:
        uint8 BGR, larger than the still: enlarged by a whole factor if it is small, and higher
        by the strip.
    """
    height, width = still.image.shape[:2]
    factor = max(1, min(-(-_READABLE_PX // width), 2 * _READABLE_PX // max(width, height)))
    image = _enlarged(still.image, factor)
    if zone is not None:
        image = _draw_zone(image, scaled(zone, factor, factor, origin=(0, 0)))
    x1, y1, x2, y2 = (side * factor for side in still.box)
    image = _draw_box(image, (x1, y1, x2, y2))
    return np.vstack([image, strip(image.shape[1], caption)])


def moved(zone: Zone | None, window: tuple[int, int, int, int]) -> Zone | None:
    """Returns a zone in the pixels of a window of the picture."""
    if zone is None:
        return None
    shifted: Zone = translate(zone, -window[0], -window[1])
    return shifted


def _enlarged(image: Image, factor: int) -> Image:
    if factor == 1:
        return image.copy()
    return np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8
    )


def _line_width(image: Image) -> int:
    longest: int = max(image.shape[:2])
    return max(2, longest // 500)


def _draw_box(image: Image, box: Box) -> Image:
    detection = sv.Detections(xyxy=np.array([box], dtype=np.float32), class_id=np.zeros(1, int))
    width = _line_width(image)
    dark = sv.BoxAnnotator(color=sv.Color.BLACK, thickness=width + 2)  # stands out on any ground
    light = sv.BoxAnnotator(color=BOX_COLOUR, thickness=width)
    return np.asarray(light.annotate(dark.annotate(image, detection), detection), dtype=np.uint8)


def _draw_zone(image: Image, zone: Zone) -> Image:
    height, width = image.shape[:2]
    frame = rectangle(0, 0, width, height)
    if not zone.is_valid or zone.intersection(frame).area >= _WHOLE_FRAME * frame.area:
        return image
    polygons = [zone] if isinstance(zone, Polygon) else list(zone.geoms)
    rings = [
        np.asarray(ring.coords, dtype=np.float64).round().astype(np.int32)
        for polygon in polygons
        if not polygon.is_empty
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    colour = ZONE_COLOUR.as_bgr()
    lined = image.copy()
    cv2.polylines(lined, rings, True, colour, _line_width(image), cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(lined, _ZONE_LINE, image, 1 - _ZONE_LINE, 0), np.uint8)


@lru_cache(maxsize=1)
def font() -> cv2.FontFace:
    """The font of captions, the same on every machine."""
    return cv2.FontFace("sans")  # built into OpenCV 5: Rubik, with WenQuanYi Micro Hei


def strip(width: int, caption: Sequence[str]) -> Image:
    """Draws a caption: white on dark, with a bar in the box's colour at the left.

    Args:
        width: Width of the picture above the caption, in pixels.
        caption: Lines of text; the first is the title. Long lines are wrapped.

    Returns:
        uint8 BGR of that width, as high as the lines need.
    """
    size = max(_LEAST_TEXT_PX, round(width * _TEXT_SHARE))
    bar, pad = max(4, size // 4), max(6, round(size * 0.7))
    lines = [
        (line, BOLD if number == 0 else REGULAR)
        for number, text in enumerate(caption)
        for line in _wrapped(_printable(text), size, _weight(number), width - bar - 2 * pad)
    ]
    pitch = round(size * 1.45)
    drawn = np.full((2 * pad + pitch * len(lines), width, 3), STRIP_BGR, dtype=np.uint8)
    drawn[:, :bar] = BOX_COLOUR.as_bgr()
    for row, (line, weight) in enumerate(lines):
        colour = TITLE_BGR if weight == BOLD else _TEXT_BGR
        base = pad + row * pitch + round(size * 1.05)
        cv2.putText(drawn, line, (bar + pad, base), colour, font(), size, weight)
    return drawn


def _weight(number: int) -> int:
    return BOLD if number == 0 else REGULAR


def _printable(text: str) -> str:
    """Removes control characters, which would move the cursor, and shortens very long text."""
    kept = (c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    line = "".join(" " if c.isspace() else c for c in kept)
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


def text_width(text: str, size: int, weight: int) -> int:
    """The width of a line of text, in pixels."""
    left, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), font(), size, weight)
    return int(left + wide)


def _wrapped(text: str, size: int, weight: int, room: int) -> list[str]:
    """Breaks a line at spaces, and inside a word that is too wide by itself."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if text_width(joined, size, weight) <= room:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while len(line) > 1 and text_width(line, size, weight) > room:
            fits = _fitting(line, size, weight, room)
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line] if line or not lines else lines


def _fitting(word: str, size: int, weight: int, room: int) -> int:
    """The number of characters of a word that fit, at least one."""
    return max(
        1,
        bisect_right(range(len(word)), room, key=lambda n: text_width(word[:n], size, weight)) - 1,
    )
