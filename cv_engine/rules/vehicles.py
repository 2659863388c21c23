"""Groups of vehicles that rules read, and where a vehicle stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

# The ground contact: a strip over the lower edge, this high and inset by this much, parts of the
# box. Boxes end a little below the wheels and mirrors reach over the kerb.
_CONTACT_HEIGHT = 0.15
_CONTACT_INSET = 0.1
# Part of the strip that must lie in the zone: half of the wheels.
_CONTACT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Detector classes whose standing members one tracker follows together.

    Attributes:
        name: Key of the tracker in a checkpoint.
        classes: Class names of the detector; a class belongs to one group only.
    """

    name: str
    classes: tuple[str, ...]


MOTOR_VEHICLES = Vehicles("motor", ("car", "truck", "bus"))
NON_MOTOR_VEHICLES = Vehicles("non_motor", ("bicycle", "motorcycle"))


def stands_in(box: NDArray[np.float32], polygon: BaseGeometry) -> bool:
    """Whether a vehicle's ground contact lies in a polygon, both in pixels of the frame."""
    x1, y1, x2, y2 = (float(value) for value in np.asarray(box))
    inset = _CONTACT_INSET * (x2 - x1)
    strip = shapely.box(x1 + inset, y2 - _CONTACT_HEIGHT * (y2 - y1), x2 - inset, y2)
    if strip.area <= 0:
        return False
    # Most vehicles stand well inside; covers() takes a tenth of the time of an intersection.
    if polygon.covers(strip):
        return True
    return bool(polygon.intersection(strip).area >= _CONTACT_SHARE * strip.area)
