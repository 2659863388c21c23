"""The car parks of a city, from a GeoJSON file that the city keeps up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cv_engine.notices.errors import NoticeError
from cv_engine.registry.records import Spot, distance_m


@dataclass(frozen=True, slots=True)
class CarPark:
    """A car park.

    Attributes:
        name: The name that drivers know.
        spot: The entrance or the middle.
        free: Number of free places; ``None`` if unknown.
    """

    name: str
    spot: Spot
    free: int | None = None


@dataclass(frozen=True, slots=True)
class NearPark:
    """A car park near a place.

    Attributes:
        park: The car park.
        distance_m: Distance in a straight line, metres.
    """

    park: CarPark
    distance_m: float


def read_car_parks(path: Path) -> list[CarPark]:
    """Read the car parks: features with ``name`` and, optionally, ``free``.

    Raises:
        NoticeError: The file cannot be read, or a feature is wrong; the message names it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise NoticeError(f"{path}: the car parks cannot be read ({why})") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise NoticeError(f'{path}: this is no GeoJSON FeatureCollection: there is no "features"')
    return [_park(f"{path}: feature {n}", each) for n, each in enumerate(features, start=1)]


def _park(where: str, feature: Any) -> CarPark:
    from shapely.errors import ShapelyError

    if not isinstance(feature, dict):
        raise NoticeError(f"{where}: this is no GeoJSON feature")
    properties = feature.get("properties") or {}
    name, free = properties.get("name"), properties.get("free")
    if not isinstance(name, str) or not name.strip():
        raise NoticeError(f"{where}: name: the car park has no name")
    if free is not None and (isinstance(free, bool) or not isinstance(free, int) or free < 0):
        raise NoticeError(f"{where}: free: {free!r} is no number of places")
    try:
        spot = Spot.of(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ShapelyError):
        raise NoticeError(f"{where}: geometry: the car park has no place") from None
    lon, lat = spot.longitude, spot.latitude
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise NoticeError(f"{where}: geometry: {lon:g}, {lat:g} is no longitude and latitude")
    return CarPark(name.strip(), spot, free)


@dataclass
class CarParks:
    """The car parks of a file, which is read again when it has changed.

    Attributes:
        path: The file.
        within_m: Car parks further away are not named, metres.
        most: The most car parks that are named.
    """

    path: Path
    within_m: float = 1000.0
    most: int = 2
    _read: tuple[tuple[int, int], list[CarPark]] | None = field(default=None, repr=False)

    def near(self, geometry: Mapping[str, Any] | None) -> list[NearPark]:
        """The nearest car parks that are not full, the nearest first; none without a place.

        Args:
            geometry: GeoJSON geometry of the place in WGS 84.

        Raises:
            NoticeError: The file cannot be used.
        """
        if geometry is None:
            return []
        here = Spot.of(geometry)
        near = [
            NearPark(park, distance_m(here, park.spot)) for park in self._parks() if park.free != 0
        ]
        near = [each for each in near if each.distance_m <= self.within_m]
        return sorted(near, key=lambda each: each.distance_m)[: self.most]

    def _parks(self) -> list[CarPark]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise NoticeError(
                f"{self.path}: the car parks cannot be read ({error.strerror})"
            ) from None
        version = (found.st_mtime_ns, found.st_size)
        if self._read is None or self._read[0] != version:
            self._read = (version, read_car_parks(self.path))
        return self._read[1]
