"""Finds changed buildings without a network, for sensors without a trained one.

Objects that look like buildings in one image are compared with the other image: did a building
stand there, and is the surface the same? :data:`MEASURED_F1` must be shown with the results.

Most frequent misses: sheds, and roofs of the colour of the local soil. Most frequent false
detections: new roads and car parks, deep shadows of towers. Colours are judged relative to their
window, so windows of mixed land use are judged worse.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from satellite.detection.colours import Plane, resized_to
from satellite.detection.roofs import BUILDING, Odds, Roofs, pixel_probability, roofs
from satellite.detection.segmentation import Table, sum_by_label
from satellite.detection.shadows import local_mean
from satellite.imagery.views import Change, Quality, Views

#: F1 of changed pixels over 9 tiles of LEVIR-CD (0.5 m), each judged with coefficients fitted to
#: the other 8 (averaged down to 2 m: 0.62), by ``python -m benchmarks change-classical``. The
#: measures of objects were chosen with all 9 in view, so expect less elsewhere; with the
#: coefficients below, fitted to all 9, the same tiles give 0.72.
MEASURED_F1: Final = 0.68

#: Odds that a building has appeared; fitted by the same command.
APPEARED: Final = Odds(
    2.61,
    {
        "building": 0.98,  # odds that the object is a building
        "stood": -9.54,  # probability that a building stood there, or within 2 m
        "same": -1.99,  # correlation of the two surfaces
        "greyer": 5.86,  # less like soil than before
    },
)
# Odds of demolition against construction (logarithm): cities grow, and a roof that looks different
# at the later date is more often due to light than to demolition.
_RARER: Final = 1.5
# Shift between the dates up to which a building of the earlier date is the same building, metres.
_SHIFT_M: Final = 2.0
# Largest structure that is compared, metres: parts of roofs and shrubs, not gradients of the light.
_STRUCTURE_M: Final = 12.0
# Variance of the logarithm of brightness due to noise.
_NOISE: Final = 1e-4


class ClassicalDetector:
    """Finds changed buildings by appearance, shadows and what stood there before.

    The probabilities are scaled so that F1 is highest at a threshold of 0.5.

    Args:
        building: Odds that an object is a building.
        appeared: Odds that a building appeared.

    Attributes:
        name: ``"classical"``.
        margin_px: Pixels of context that the detector needs around a window.
    """

    name = "classical"
    margin_px = 96

    def __init__(self, building: Odds = BUILDING, appeared: Odds = APPEARED) -> None:
        self._building = building
        self._appeared = appeared
        self._gone = replace(appeared, constant=appeared.constant - _RARER)

    def __call__(self, views: Views) -> Change:
        """Judges a window; see :class:`~satellite.imagery.views.Detector`."""
        clear = views.quality == Quality.CLEAR
        if not clear.any():
            nothing = np.zeros(clear.shape, np.float32)
            return Change(nothing, nothing.copy())
        before, after = (
            roofs(picture, views.resolution_m, clear, self._building)
            for picture in (views.before, views.after)
        )
        appeared = resized_to(construction_probability(before, after, self._appeared), clear.shape)
        gone = resized_to(construction_probability(after, before, self._gone), clear.shape)
        return Change(
            np.where(clear, appeared, np.float32(0)), np.where(clear, gone, np.float32(0))
        )


def construction_probability(before: Roofs, after: Roofs, appeared: Odds) -> Plane:
    """Probability that a building was built between an earlier and a later picture."""
    odds = [appeared(found) for found in change_measures(before, after)]
    return pixel_probability(odds, after.levels, after.pieces)


def change_measures(before: Roofs, after: Roofs) -> list[dict[str, Table]]:
    """The measures in :data:`APPEARED` of the later picture's objects, for each level."""
    was, now = _structure(before), _structure(after)
    side = 2 * max(1, round(_SHIFT_M / before.resolution_m)) + 1
    stood = np.asarray(cv2.dilate(before.likelihood, np.ones((side, side), np.uint8)), np.float32)
    greyer = before.soil - after.soil
    planes = np.ones_like(was), stood, was * now, was * was, now * now, greyer
    ids = after.pieces.ravel()
    sums = [sum_by_label(ids, plane.ravel(), 0) for plane in planes]
    found = []
    for level, odds in zip(after.levels, after.odds, strict=True):
        pixels, near, both, old, new, less = (
            sum_by_label(level, column, len(odds)) for column in sums
        )
        same = both / np.sqrt(old * new + _NOISE * pixels)
        found.append(
            {"building": odds, "stood": near / pixels, "same": same, "greyer": less / pixels}
        )
    return found


def _structure(roofs: Roofs) -> Plane:
    return roofs.light - local_mean(roofs.light, _STRUCTURE_M, roofs.resolution_m)
