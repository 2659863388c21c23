"""Geodesy of polygons: WGS 84 coordinates, and area and width in metres on the ellipsoid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from shapely.affinity import translate
from shapely.geometry.polygon import orient

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid

_GEOD = Geod(ellps="WGS84")
# Straight edges of a projection are slightly curved in longitude and latitude: over 1 km they
# deviate by centimetres, over 20 km by metres. Longer edges get vertices in between.
_LONGEST_EDGE = 1000.0


def to_lonlat(
    shape: shapely.Polygon | shapely.MultiPolygon, crs: CRS
) -> shapely.Polygon | shapely.MultiPolygon:
    """Transforms polygons to longitude and latitude for GeoJSON (RFC 7946, 3.1.6 and 3.1.9).

    Args:
        shape: In coordinates of ``crs``; narrower than half the globe, without a pole inside.
        crs: Coordinate reference system of the polygons.

    Returns:
        WGS 84 degrees, exteriors counter-clockwise and holes clockwise, longitudes from -180 to
        180: a polygon across the antimeridian is cut there and becomes a multipolygon.

    Raises:
        SatelliteError: A place is outside the area of the coordinate reference system.
    """
    polygons = shape.geoms if isinstance(shape, shapely.MultiPolygon) else [shape]
    parts = [part for polygon in polygons for part in _cut(_unwrapped(polygon, crs))]
    parts = [orient(part) for part in parts]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def area_m2(polygon: shapely.Polygon, crs: CRS) -> float:
    """Area on the WGS 84 ellipsoid without the holes, square metres (Karney, 2013)."""
    return abs(float(_GEOD.geometry_area_perimeter(orient(_unwrapped(polygon, crs)))[0]))


def width_m(polygon: shapely.Polygon, crs: CRS) -> float:
    """Length on the ellipsoid of the shorter side of the minimum rotated rectangle, metres."""
    rectangle = shapely.minimum_rotated_rectangle(polygon)
    if not isinstance(rectangle, shapely.Polygon):
        return 0.0  # a line or a point
    corners = shapely.get_coordinates(rectangle)
    # Distances between the middles of opposite sides are right also where a projection shears.
    middles = (corners[:-1] + corners[1:]) / 2
    lon, lat = _degrees(middles, crs).T
    return min(
        float(_GEOD.inv(lon[i], lat[i], lon[i + 2], lat[i + 2])[2]) for i in range(len(middles) - 2)
    )


def aspect(grid: Grid) -> float:
    """Width of a pixel on the ground over its height, at the middle of the grid.

    The aspect is 1 in conformal projections, and less where pixels are degrees.
    """
    x, y = grid.width / 2, grid.height / 2
    corners = [grid.transform @ (x + dx, y + dy) for dx, dy in ((0, 0), (1, 0), (0, 1))]
    lon, lat = _degrees(np.array(corners, dtype=np.float64), grid.crs).T
    across, down = (float(_GEOD.inv(lon[0], lat[0], lon[i], lat[i])[2]) for i in (1, 2))
    return across / down


def _unwrapped(polygon: shapely.Polygon, crs: CRS) -> shapely.Polygon:
    """A polygon in degrees with continuous longitudes, beyond 180 if necessary."""
    first = _degrees(shapely.get_coordinates(polygon)[:1], crs)[0, 0]
    if not crs.is_geographic:
        polygon = shapely.segmentize(polygon, _LONGEST_EDGE)

    def degrees(points: NDArray[np.float64]) -> NDArray[np.float64]:
        lonlat = _degrees(points, crs)
        lonlat[:, 0] = first + (lonlat[:, 0] - first + 180) % 360 - 180
        return lonlat

    unwrapped: shapely.Polygon = shapely.transform(polygon, degrees)
    return unwrapped


def _degrees(points: NDArray[np.float64], crs: CRS) -> NDArray[np.float64]:
    try:
        lon, lat = _transformer(crs.to_wkt()).transform(points[:, 0], points[:, 1], errcheck=True)
    except ProjError as error:
        raise SatelliteError(
            f"a place at {points[0, 0]:.10g}, {points[0, 1]:.10g} cannot be expressed in longitude "
            f"and latitude ({error}); check the image's coordinate reference system and position"
        ) from error
    return np.column_stack([lon, lat])


@lru_cache(maxsize=8)
def _transformer(wkt: str) -> Transformer:
    return Transformer.from_crs(wkt, "EPSG:4326", always_xy=True)


def _cut(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """The parts of a polygon on either side of the antimeridian, each from -180 to 180."""
    west, _, east, _ = polygon.bounds
    if west >= -180 and east <= 180:
        return [polygon]
    parts = []
    for turn in (-360.0, 0.0, 360.0):
        part = polygon.intersection(shapely.box(turn - 180, -90, turn + 180, 90))
        for piece in shapely.get_parts(part):
            if isinstance(piece, shapely.Polygon) and piece.area > 0:
                parts.append(translate(piece, -turn))
    return parts
