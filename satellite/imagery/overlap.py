"""The grid on which two images are compared."""

from __future__ import annotations

from math import ceil, floor
from typing import Protocol

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Geod
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.resampling import apply, longitude_period, project, unwrapped

_GEOD = Geod(ellps="WGS84")
_WGS84 = CRS.from_epsg(4326)
# Relative difference below which two resolutions are equal.
_SAME_SIZE = 0.01
# Ratio above which two resolutions cannot be compared: a house in one is a dot in the other.
_MOST_RATIO = 8.0
# Points on each edge of an image that are projected: over a scene of 100 km an edge bends by metres
# between its corners.
_PER_EDGE = 32
# Tolerance in pixels: images on a common grid differ by rounding.
_ROUNDING_PX = 0.01


class Georeferenced(Protocol):
    """A georeferenced image.

    Attributes:
        name: The user's name for the image.
        native: The image's own pixel grid, possibly rotated.
        resolution_m: Side of a pixel on the ground, metres.
    """

    name: str
    native: Grid
    resolution_m: float


def common_grid(
    before: Georeferenced, after: Georeferenced, *, resolution_m: float | None = None
) -> Grid:
    """Makes the grid on which two images are compared: their intersection.

    The grid has the earlier image's coordinate reference system if that is projected in metres,
    else the UTM zone of the image's centre. Its pixels coincide with those of an image that has the
    wanted resolution there, the earlier one first, so that this image need not be interpolated.

    Args:
        before: The earlier image.
        after: The later one.
        resolution_m: Side of a grid pixel on the ground, metres; default: the coarser of the two.

    Raises:
        SatelliteError: The images do not overlap, or their resolutions differ too much.
    """
    wanted = _resolution(before, after, resolution_m)
    crs = before.native.crs if _is_metric(before.native.crs) else _utm(before)
    common = _outline(before, crs, before).intersection(_outline(after, crs, before))
    if common.area == 0:
        raise SatelliteError(_apart(before, after))
    anchor = _anchor((before, after), crs, wanted, common.centroid)
    west, south, east, north = common.bounds
    left, top = apply(~anchor, west, north)
    right, bottom = apply(~anchor, east, south)
    left, top = ceil(left - _ROUNDING_PX), ceil(top - _ROUNDING_PX)
    width = floor(right + _ROUNDING_PX) - left
    height = floor(bottom + _ROUNDING_PX) - top
    if width < 1 or height < 1:
        raise SatelliteError(
            f"{before.name} and {after.name} have less than a pixel of {wanted:.3g} m in common; "
            f"check that they are images of the same area"
        )
    return Grid(crs, anchor @ Affine.translation(left, top), width, height)


def _resolution(before: Georeferenced, after: Georeferenced, given: float | None) -> float:
    if given is not None and not (np.isfinite(given) and given > 0):
        raise SatelliteError(f"a resolution of {given} m is not possible; give metres above 0")
    fine, coarse = sorted((before.resolution_m, after.resolution_m))
    if coarse > _MOST_RATIO * fine:
        raise SatelliteError(
            f"{before.name} has pixels of {before.resolution_m:.3g} m, {after.name} of "
            f"{after.resolution_m:.3g} m: too different to be compared (at most {_MOST_RATIO:g} "
            f"times); use images of like sensors, or average the finer one first: "
            f"gdalwarp -r average -tr {coarse:.3g} {coarse:.3g}"
        )
    return coarse if given is None else given


def _is_metric(crs: CRS) -> bool:
    return bool(crs.is_projected) and crs.linear_units.lower() in ("metre", "meter", "m")


def _anchor(
    images: tuple[Georeferenced, Georeferenced], crs: CRS, wanted: float, middle: shapely.Point
) -> Affine:
    """A transform to which the grid's pixels are aligned, up to a translation by whole pixels."""
    for image in images:
        transform = image.native.transform
        straight = transform.b == transform.d == 0 and transform.a > 0 > transform.e
        if image.native.crs == crs and straight:
            square = abs(-transform.e / transform.a - 1) * max(
                image.native.width, image.native.height
            )
            if square < _ROUNDING_PX and abs(image.resolution_m / wanted - 1) <= _SAME_SIZE:
                return transform
    # Projections stretch: a metre on the ground is more or less than a metre on the map.
    metre = Grid(crs, Affine(1, 0, middle.x - 0.5, 0, -1, middle.y + 0.5), 1, 1).resolution_m
    side = float(f"{wanted / metre:.4g}")
    return Affine(side, 0, 0, 0, -side, 0)


def _utm(image: Georeferenced) -> CRS:
    lon, lat = centre_of(image.native)
    zone = floor((lon + 180) / 6) % 60 + 1
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)


def centre_of(native: Grid) -> tuple[float, float]:
    """Longitude and latitude of an image's centre, degrees; infinite where it has none."""
    x, y = apply(native.transform, native.width / 2, native.height / 2)
    lon, lat = project(native.crs, _WGS84, np.array([x]), np.array([y]))
    return float(lon[0]), float(lat[0])


def _edge(native: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points along an image's edge, in its own coordinates."""
    along = np.linspace(0, 1, _PER_EDGE, endpoint=False)
    zero, one = np.zeros(_PER_EDGE), np.ones(_PER_EDGE)
    col = np.concatenate([along, one, 1 - along, zero]) * native.width
    row = np.concatenate([zero, along, one, 1 - along]) * native.height
    x, y = apply(native.transform, col, row)
    return x, y


def _outline(image: Georeferenced, crs: CRS, near: Georeferenced) -> BaseGeometry:
    """An image's outline in another CRS, on the same side of the antimeridian as another image."""
    x, y = _edge(image.native)
    if image.native.crs != crs:
        x, y = project(image.native.crs, crs, x, y)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return shapely.Polygon()  # outside of the area where the CRS is valid
    if (turn := longitude_period(crs)) is not None:
        middle = apply(near.native.transform, near.native.width / 2, near.native.height / 2)[0]
        x = unwrapped(x, float(middle), turn)
    outline: BaseGeometry = shapely.make_valid(shapely.Polygon(np.column_stack([x, y])))
    return outline


def _apart(before: Georeferenced, after: Georeferenced) -> str:
    """The message that two images do not overlap, with their distance and positions."""
    edges = [project(image.native.crs, _WGS84, *_edge(image.native)) for image in (before, after)]
    (lon_a, lat_a), (lon_b, lat_b) = edges
    first = np.repeat(np.arange(len(lon_a)), len(lon_b))
    second = np.tile(np.arange(len(lon_b)), len(lon_a))
    metres = _GEOD.inv(lon_a[first], lat_a[first], lon_b[second], lat_b[second])[2]
    nearest_km = float(np.min(metres)) / 1000
    places = []
    for image in (before, after):
        lon, lat = centre_of(image.native)
        places.append(f"{image.name} around {lat:.4f}, {lon:.4f}")
    return (
        f"{before.name} and {after.name} do not overlap: they lie {nearest_km:.1f} km apart "
        f"({places[0]}; {places[1]}); check that they are images of the same area"
    )
