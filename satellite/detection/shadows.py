"""Shadows: elevated objects cast them, all in one direction within a picture; roads do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# Deficit of a shadow's brightness against its surroundings, logarithms: skylight alone gives a
# third or less of sun and sky together.
_DARKER_NEARBY: Final = 0.4
_DARKER_THAN_PLACE: Final = 0.3
# Side of the surroundings, metres: wider than the shadow of a house, and of a block.
_NEARBY_M: Final = 30.0
_PLACE_M: Final = 60.0
# Distance at which a wall's shadow is sampled, metres: within that of a single storey.
_REACH_M: Final = 2.0
_DIRECTIONS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Shadows:
    """The shadows of one picture.

    Attributes:
        mask: float32 ``(height, width)``: 1 in shadow, 0 in light.
        cast: float32 ``(height, width)``: 1 just outside of a shadow, on the side of the object
            that casts it; -1 on the opposite side, where another object's shadow falls.
    """

    mask: Plane
    cast: Plane


def local_mean(plane: Plane, side_m: float, resolution_m: float) -> Plane:
    """Mean over a square around each pixel."""
    side = max(1, round(side_m / resolution_m) // 2 * 2 + 1)
    mean = cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(mean, np.float32)


def shadows(light: Plane, candidates: NDArray[np.bool_], resolution_m: float) -> Shadows:
    """Finds shadows and the objects that cast them.

    The direction of the sun is estimated: on one side shadows adjoin the roofs that cast them, on
    the others any surface.

    Args:
        light: Logarithm of brightness, float32 ``(height, width)``.
        candidates: Pixels that may be roofs, by colour.
        resolution_m: Side of a pixel, metres.
    """
    nearby = light < local_mean(light, _NEARBY_M, resolution_m) - _DARKER_NEARBY
    dark = nearby & (light < local_mean(light, _PLACE_M, resolution_m) - _DARKER_THAN_PLACE)
    mask = dark.astype(np.float32)
    away = _away_from_sun(dark, candidates & ~dark, resolution_m)
    reach = _REACH_M / resolution_m
    soft = np.asarray(cv2.blur(mask, (3, 3)), np.float32)
    cast = (1 - mask) * (_displaced(soft, away, reach) - _displaced(soft, away, -reach))
    return Shadows(mask, cast)


def _away_from_sun(
    dark: NDArray[np.bool_], candidates: NDArray[np.bool_], resolution_m: float
) -> tuple[float, float]:
    """Direction (right, down) in which shadows fall."""
    mask, roofs = dark.astype(np.float32), candidates.astype(np.float32)
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    reach = _REACH_M / resolution_m
    meets = [
        float(np.vdot(_displaced(mask, (np.cos(angle), np.sin(angle)), reach), roofs))
        for angle in angles
    ]
    total = np.sum(meets * np.exp(1j * angles))
    length = abs(total)
    return (total.real / length, total.imag / length) if length > 0 else (0.0, 0.0)


def _displaced(plane: Plane, direction: tuple[float, float], distance_px: float) -> Plane:
    """The values of a plane at a distance in a direction from each pixel."""
    right, down = direction[0] * distance_px, direction[1] * distance_px
    move = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
    moved = cv2.warpAffine(plane, move, plane.shape[::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)
