"""A flat piece of ground in metres around one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pyproj import Transformer

Array = npt.NDArray[np.float64]

_DEGREE_M = 110_500.0  # metres; the shortest degree of latitude: no margin is ever too small
_LEAST_COSINE = 0.01  # of the latitude: a degree of longitude, up to half a degree from a pole


def widened(
    bounds: tuple[float, float, float, float], margin_m: float
) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees of all that lies within a margin of a box, or a little more.

    Args:
        bounds: West, south, east, north of the box, degrees.
        margin_m: In metres.
    """
    west, south, east, north = bounds
    up = margin_m / _DEGREE_M
    cosine = math.cos(math.radians(min(90.0, max(abs(south), abs(north)) + up)))
    across = up / max(cosine, _LEAST_COSINE)
    return west - across, south - up, east + across, north + up


@dataclass(frozen=True)
class LocalPlane:
    """Azimuthal equidistant projection: metres east and north of a place.

    Within 5 km of the centre its distances are true to a millimetre, far below what a ground control
    point is known to.

    Attributes:
        latitude: Of the centre, degrees WGS 84.
        longitude: Of the centre, degrees WGS 84.
    """

    latitude: float
    longitude: float

    @cached_property
    def _transformer(self) -> Transformer:
        from pyproj import Transformer

        plane = (
            f"+proj=aeqd +lat_0={self.latitude!r} +lon_0={self.longitude!r} "
            "+datum=WGS84 +units=m +no_defs"
        )
        return Transformer.from_crs("EPSG:4326", plane, always_xy=True)

    def to_metres(self, lonlat: Array) -> Array:
        """Metres east and north (n, 2) of longitudes and latitudes (n, 2)."""
        east, north = self._transformer.transform(lonlat[:, 0], lonlat[:, 1])
        return np.column_stack([east, north])

    def to_degrees(self, metres: Array) -> Array:
        """Longitudes and latitudes (n, 2) of metres east and north (n, 2)."""
        lon, lat = self._transformer.transform(metres[:, 0], metres[:, 1], direction="INVERSE")
        return np.column_stack([lon, lat])
