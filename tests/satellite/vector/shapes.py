"""Buildings drawn as polygons in pixels, and the probabilities that a good detector gives them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize
from shapely.affinity import affine_transform, rotate, translate

from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture, Quality
from satellite.layers.layers import Rasters

# How finely coverage is sampled, per pixel and axis.
_FINE = 8


def grid_of(width: int, height: int, pixel_m: float = 0.5, epsg: int = 32650) -> Grid:
    """A grid of metres in Ningbo's neighbourhood."""
    transform = Affine(pixel_m, 0, 500_000, 0, -pixel_m, 3_300_000)
    return Grid(CRS.from_epsg(epsg), transform, width, height)


def rectangle(x: float, y: float, width: float, height: float, angle: float = 0) -> shapely.Polygon:
    """A rectangle by its centre, turned by degrees."""
    box = shapely.box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return rotate(box, angle, origin=(x, y))


def ell(x: float, y: float, width: float, height: float, angle: float) -> shapely.Polygon:
    """An L whose arms are 45 % of its sides wide."""
    w, h = 0.45 * width, 0.45 * height
    corners = [(0, 0), (width, 0), (width, h), (w, h), (w, height), (0, height)]
    placed = translate(shapely.Polygon(corners), x - width / 2, y - height / 2)
    return rotate(placed, angle, origin=(x, y))


def circle(x: float, y: float, radius: float) -> shapely.Polygon:
    return shapely.Point(x, y).buffer(radius, quad_segs=32)


def coverage(shapes: list[shapely.Polygon], width: int, height: int) -> NDArray[np.float32]:
    """Share of each pixel that shapes cover."""
    if not shapes:
        return np.zeros((height, width), np.float32)
    shape = (height * _FINE, width * _FINE)
    fine = rasterize(shapes, shape, transform=Affine.scale(1 / _FINE), dtype="uint8")
    small = cv2.resize(fine.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def rasters(
    appeared: NDArray[np.float32],
    gone: NDArray[np.float32] | None = None,
    quality: Picture | None = None,
) -> Rasters:
    """Layers of a comparison with these probabilities."""
    nothing = np.zeros(appeared.shape, np.uint8)
    return Rasters(
        np.rint(appeared * 255).astype(np.uint8),
        nothing if gone is None else np.rint(gone * 255).astype(np.uint8),
        np.full(appeared.shape, Quality.CLEAR, np.uint8) if quality is None else quality,
    )


def pixels(polygon: shapely.Polygon, grid: Grid) -> shapely.Polygon:
    """A polygon of the grid's coordinates in pixels."""
    return affine_transform(polygon, (~grid.transform).to_shapely())


def iou(one: shapely.Polygon, other: shapely.Polygon) -> float:
    """Intersection over union."""
    common = one.intersection(other).area
    return float(common / (one.area + other.area - common))


def off_right(polygon: shapely.Polygon) -> float:
    """Largest deviation of a corner from a right angle, degrees."""
    sides = np.diff(shapely.get_coordinates(polygon.exterior), axis=0)
    headings = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    turns = np.roll(headings, -1) - headings
    return float(np.abs((turns + 45) % 90 - 45).max())


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Limits the size of files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
