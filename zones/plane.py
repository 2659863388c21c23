"""A local plane in metres around one place."""

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

_DEGREE_M = 110_500.0  # metres; the shortest degree of latitude, so that no margin is too small
_LEAST_COSINE = 0.01  # cosine of the latitude half a degree from a pole


def widened(
    bounds: tuple[float, float, float, float], margin_m: float
) -> tuple[float, float, float, float]:
    """A box extended by a margin, or slightly more: west, south, east, north in degrees.

    Args:
        bounds: West, south, east, north of the box, in degrees.
        margin_m: The margin in metres.
    """
    west, south, east, north = bounds
    up = margin_m / _DEGREE_M
    cosine = math.cos(math.radians(min(90.0, max(abs(south), abs(north)) + up)))
    across = up / max(cosine, _LEAST_COSINE)
    return west - across, south - up, east + across, north + up


@dataclass(frozen=True)
class LocalPlane:
    """Azimuthal equidistant projection: metres east and north of a place.

    Within 5 km of the centre its distances are exact to a millimetre, which is far below the error
    of a ground control point.

    Attributes:
        latitude: Latitude of the centre, degrees WGS 84.
        longitude: Longitude of the centre, degrees WGS 84.
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
