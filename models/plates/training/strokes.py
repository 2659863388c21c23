"""Glyphs of digits and letters in the manner of Chinese plates, drawn from centre lines.

The plates of GA 36-2018 have tall glyphs of 45 x 90 mm whose strokes have one width. No free font
has them, so each glyph is a set of lines and elliptical arcs in a unit box, which is stretched.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Points = list[tuple[float, float]]
_ARC_STEP_DEG = 12
_SHIFT = 4  # fractional bits of cv2's coordinates
_EXTRA_PX = 1.4  # smooth lines of cv2 are wider by this


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Points of an elliptical arc; 0 degrees is right, 90 is down, as in pictures."""
    steps = max(2, int(abs(end - start) / _ARC_STEP_DEG) + 1)
    angles = np.radians(np.linspace(start, end, steps))
    return [
        (cx + rx * float(c), cy + ry * float(s))
        for c, s in zip(np.cos(angles), np.sin(angles), strict=True)
    ]


_TOP = _arc(0.5, 0.26, 0.5, 0.26, 180, 360)
_BOTTOM = _arc(0.5, 0.74, 0.5, 0.26, 0, 180)
_RING: Points = [*_TOP, *_BOTTOM, (0.0, 0.26)]
_C_TOP = _arc(0.5, 0.26, 0.5, 0.26, 350, 180)
_BOWL: Points = [(0, 0), (0.55, 0), *_arc(0.55, 0.25, 0.45, 0.25, -90, 90), (0, 0.5)]
_NINE: Points = _arc(0.5, 0.29, 0.5, 0.29, 30, 390)

STROKES: dict[str, list[Points]] = {
    "0": [_RING],
    "1": [[(0.25, 0.14), (0.6, 0), (0.6, 1)]],
    "2": [[*_arc(0.5, 0.27, 0.48, 0.27, 185, 390), (0.02, 1), (1, 1)]],
    "3": [
        [
            *_arc(0.5, 0.25, 0.46, 0.25, 195, 440),
            (0.45, 0.49),
            *_arc(0.48, 0.745, 0.5, 0.255, 280, 525),
        ]
    ],
    "4": [[(0.55, 0), (0, 0.7), (1, 0.7)], [(0.72, 0.42), (0.72, 1)]],
    "5": [[(0.92, 0), (0.12, 0), (0.06, 0.46), *_arc(0.48, 0.7, 0.5, 0.3, 225, 515)]],
    "6": [[(0.6, 0), *_arc(0.5, 0.71, 0.5, 0.29, 200, -160)]],
    "7": [[(0, 0), (1, 0), (0.38, 1)]],
    "8": [_arc(0.5, 0.24, 0.43, 0.24, 0, 360), _arc(0.5, 0.74, 0.5, 0.26, 0, 360)],
    "9": [[*_NINE, (0.4, 1)]],
    "A": [[(0, 1), (0.44, 0), (0.56, 0), (1, 1)], [(0.17, 0.68), (0.83, 0.68)]],
    "B": [[*_BOWL, (0, 0), (0, 1), (0.55, 1), *_arc(0.55, 0.75, 0.45, 0.25, 90, -90), (0.1, 0.5)]],
    "C": [[*_C_TOP, *_arc(0.5, 0.74, 0.5, 0.26, 180, 10)]],
    "D": [
        [
            (0, 0),
            (0.4, 0),
            *_arc(0.4, 0.3, 0.6, 0.3, -90, 0),
            *_arc(0.4, 0.7, 0.6, 0.3, 0, 90),
            (0, 1),
            (0, 0),
        ]
    ],
    "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.48), (0.88, 0.48)]],
    "F": [[(1, 0), (0, 0), (0, 1)], [(0, 0.48), (0.88, 0.48)]],
    "G": [[*_C_TOP, *_arc(0.5, 0.74, 0.5, 0.26, 180, 0), (1, 0.54), (0.52, 0.54)]],
    "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.48), (1, 0.48)]],
    "I": [[(0.5, 0), (0.5, 1)]],
    "J": [[(0.95, 0), (0.95, 0.74), *_arc(0.48, 0.74, 0.47, 0.26, 0, 170)]],
    "K": [[(0, 0), (0, 1)], [(0.98, 0), (0.02, 0.62)], [(0.32, 0.44), (1, 1)]],
    "L": [[(0, 0), (0, 1), (1, 1)]],
    "M": [[(0, 1), (0, 0), (0.5, 0.62), (1, 0), (1, 1)]],
    "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
    "O": [_RING],
    "P": [[(0, 1), *_BOWL, (0, 0)]],
    "Q": [_RING, [(0.55, 0.72), (1.02, 1.02)]],
    "R": [[(0, 1), *_BOWL, (0, 0)], [(0.5, 0.5), (1, 1)]],
    "S": [
        [
            *_arc(0.5, 0.25, 0.47, 0.25, -15, -250),
            *_arc(0.5, 0.74, 0.5, 0.26, -80, 165),
        ]
    ],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "U": [[(0, 0), (0, 0.74), *reversed(_BOTTOM), (1, 0.74), (1, 0)]],
    "V": [[(0, 0), (0.5, 1), (1, 0)]],
    "W": [[(0, 0), (0.22, 1), (0.5, 0.25), (0.78, 1), (1, 0)]],
    "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
    "Y": [[(0, 0), (0.5, 0.52), (1, 0)], [(0.5, 0.52), (0.5, 1)]],
    "Z": [[(0, 0), (1, 0), (0, 1), (1, 1)]],
}


def draw(
    character: str, width: int, height: int, stroke: float, wobble: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Draw one digit or letter.

    Args:
        character: A key of :data:`STROKES`.
        width: Width of the box, pixels.
        height: Height of the box, pixels.
        stroke: Width of the strokes, pixels.
        wobble: Seven numbers about 0 that shift, shear and bend the centre lines, in parts of the
            box, the last one the inner vertices of M and W: what one maker's dies have other than
            another's.

    Returns:
        Coverage, ``(height, width)``, 0 to 255.
    """
    picture = np.zeros((height, width), np.uint8)
    inset = stroke / 2
    for line in STROKES[character]:
        points = np.array(line, np.float64)
        if character in "MW":
            points[2, 1] += wobble[6]
        x, y = points[:, 0] - 0.5, points[:, 1] - 0.5
        x = x * (1 + wobble[0]) + wobble[1] * y + wobble[2] * (y * y - 0.1)
        y = y * (1 + wobble[3]) + wobble[4] * (x * x - 0.1) + wobble[5] * x
        x, y = np.clip(x + 0.5, -0.06, 1.06), np.clip(y + 0.5, -0.04, 1.04)
        pixels = np.stack([inset + x * (width - stroke), inset + y * (height - stroke)], axis=1)
        cv2.polylines(
            picture,
            [np.round(pixels * (1 << _SHIFT)).astype(np.int32)],
            False,
            (255,),
            max(1, round(stroke - _EXTRA_PX)),
            cv2.LINE_AA,
            _SHIFT,
        )
    return picture
