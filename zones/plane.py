"""A flat piece of ground in metres around one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pyproj import Transformer

Array = npt.NDArray[np.float64]


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
