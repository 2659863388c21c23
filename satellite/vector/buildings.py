"""From the probability of change to changed buildings: one polygon each.

A building is a connected area with at least the probability ``threshold`` that reaches ``seed``
somewhere (hysteresis). The outline is the line on which the interpolated probability equals the
threshold (marching squares), and therefore lies between pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import cast

import cv2
import numpy as np
import shapely
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.ndimage import find_objects
from shapely.affinity import affine_transform, scale, translate

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture, Quality
from satellite.layers.layers import Reader
from satellite.vector.blobs import Blob, blobs
from satellite.vector.geodesy import area_m2, aspect, to_lonlat, width_m
from satellite.vector.regularise import regularise, simplify

# Side of the blocks in which the rasters are read, pixels: 3 bytes each, so 13 MB at a time.
_BLOCK = 2048
# Distance around a building within which pixels that could not be compared make it uncertain,
# metres: the width of the unmasked fringe of a cloud or of its shadow.
_NEIGHBOURHOOD_M = 10.0
# Least factor by which regularisation may change a contour's area.
_AREA_SLACK = 0.8
# Largest share of the smaller of two outlines that may lie within the other one: rounding only.
_OVERLAP = 0.001


@dataclass(frozen=True, slots=True)
class OutlineSettings:
    """What counts as a building.

    Attributes:
        threshold: Probability along the outline, above 0 and below 1.
        seed: Probability that must be reached somewhere within.
        min_area_m2: Smallest area, square metres.
        min_width_m: Smallest width, metres; parts joined by a narrower bridge are separated.
        min_hole_m2: Smallest courtyard; smaller holes (roof windows, noise) are filled.
        right_angles: Whether nearly right-angled outlines are made right-angled.
    """

    threshold: float = 0.5
    seed: float = 0.6
    min_area_m2: float = 20.0
    min_width_m: float = 2.5
    min_hole_m2: float = 10.0
    right_angles: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= self.seed < 1:
            raise SatelliteError(
                f"threshold {self.threshold:g} and seed {self.seed:g}: both are probabilities "
                "above 0 and below 1, and the seed is at least the threshold"
            )
        for name in ("min_area_m2", "min_width_m", "min_hole_m2"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise SatelliteError(f"{name} {getattr(self, name):g}: must be 0 or more")


@dataclass(frozen=True, slots=True)
class Building:
    """A changed building.

    Attributes:
        polygon: In coordinates of the grid; courtyards are holes.
        appeared: Whether the building is new; ``False``: it is gone.
        area_m2: Area on the ellipsoid, without the courtyards.
        width_m: Shorter side of the minimum rotated rectangle.
        confidence: Mean calibrated probability inside, 0 to 1.
        uncertain_share: Share of the building and the ground within 10 m that could not be
            compared.
    """

    polygon: shapely.Polygon
    appeared: bool
    area_m2: float
    width_m: float
    confidence: float
    uncertain_share: float

    def lonlat(self, crs: CRS) -> shapely.Polygon | shapely.MultiPolygon:
        """The polygon in WGS 84, in the form of GeoJSON; ``crs`` is the grid's."""
        return to_lonlat(self.polygon, crs)


def outline(
    reader: Reader,
    grid: Grid,
    settings: OutlineSettings | None = None,
    progress: Callable[[float], None] | None = None,
    block: int = _BLOCK,
) -> list[Building]:
    """Finds the changed buildings of a comparison.

    The rasters are read in blocks; the result does not depend on the blocks. Outlines of two
    buildings that appeared do not overlap, nor do those of two that are gone.

    Args:
        reader: The rasters, such as :class:`~satellite.layers.layers.Layers`.
        grid: The grid of the rasters.
        settings: What counts as a building.
        progress: Called with the share done, 0 to 1, after each block.
        block: Side of the blocks, pixels; bounds the memory.

    Returns:
        The buildings, block by block from the north-west; in each block, those that appeared come
        first.

    Raises:
        SatelliteError: Places of the grid have no longitude and latitude.
    """
    finder = _Finder(reader, grid, settings or OutlineSettings())
    tiles = list(grid.tiles(block, finder.margin))
    found: list[_Outline] = []
    for number, tile in enumerate(tiles, 1):
        for blob in blobs(reader, grid, tile, finder.level, finder.least_px, finder.margin):
            found.extend(finder.outlines(blob))
        if progress is not None:
            progress(number / len(tiles))
    while touching := [one for one in _overlapping(found) if one.polygon is not one.contour]:
        for one in touching:
            one.polygon = one.contour
    return [building for one in found if (building := finder.building(one)) is not None]


@dataclass(slots=True)
class _Outline:
    """An outline in pixels of the grid, with the figures of the pixels inside."""

    polygon: shapely.Polygon
    contour: shapely.Polygon  # before regularisation
    appeared: bool
    confidence: float
    uncertain_share: float


class _Finder:
    """Finds the buildings in blobs, with the settings in pixels of a grid."""

    def __init__(self, reader: Reader, grid: Grid, settings: OutlineSettings) -> None:
        pixel_m = grid.resolution_m
        self.grid = grid
        self.settings = settings
        self.aspect = aspect(grid)
        self.level = max(1, ceil(settings.threshold * 255))
        self.seed = max(self.level, ceil(settings.seed * 255))
        self.hole_px = settings.min_hole_m2 / pixel_m**2
        self.least_px = _AREA_SLACK * settings.min_area_m2 / pixel_m**2
        # Morphology has no centre for an even width.
        self.width_px = max(1, 2 * ((round(settings.min_width_m / pixel_m) - 1) // 2) + 1)
        self.near_px = _NEIGHBOURHOOD_M / pixel_m
        self.margin = ceil(self.near_px) + 1

    def outlines(self, blob: Blob) -> Iterator[_Outline]:
        """The buildings in a blob; neighbours joined by a thin bridge are separate."""
        if int(blob.probability[blob.mask].max()) < self.seed:
            return
        parts = _split(_without_holes(blob.mask, self.hole_px), self.width_px)
        for number, (rows, cols) in enumerate(find_objects(parts), 1):
            top, left = rows.start - self.margin, cols.start - self.margin
            cut = slice(top, rows.stop + self.margin), slice(left, cols.stop + self.margin)
            mask = parts[cut] == number
            if int(blob.probability[cut][mask].max()) < self.seed:
                continue
            confidence = float(blob.probability[cut][mask].mean()) / 255
            share = _share_near(mask, blob.quality[cut] != Quality.CLEAR, self.near_px)
            alone = _alone(blob.probability[cut], blob.mask[cut], mask, self.level - 0.5)
            for contour in contours(alone, self.level - 0.5):
                placed = translate(contour, blob.left + left, blob.top + top)
                yield from self._outline(placed, blob.appeared, confidence, share)

    def _outline(
        self, contour: shapely.Polygon, appeared: bool, confidence: float, share: float
    ) -> Iterator[_Outline]:
        holes = [hole for hole in contour.interiors if shapely.Polygon(hole).area >= self.hole_px]
        whole = shapely.Polygon(contour.exterior, holes)
        if whole.area >= self.least_px:
            polygon = self._regularised(whole) if self.settings.right_angles else simplify(whole)
            yield _Outline(polygon, whole, appeared, confidence, share)

    def _regularised(self, contour: shapely.Polygon) -> shapely.Polygon:
        """Regularises a contour in the scale of the ground: pixels may be narrower than high."""
        ground = scale(contour, self.aspect, 1.0, origin=(0, 0))
        return scale(regularise(ground), 1 / self.aspect, 1.0, origin=(0, 0))

    def building(self, found: _Outline) -> Building | None:
        """The building of an outline; ``None`` if it is too small or too narrow."""
        polygon = affine_transform(found.polygon, self.grid.transform.to_shapely())
        area = area_m2(polygon, self.grid.crs)
        if area < self.settings.min_area_m2:
            return None
        width = width_m(polygon, self.grid.crs)
        if width < self.settings.min_width_m:
            return None
        return Building(
            polygon, found.appeared, area, width, found.confidence, found.uncertain_share
        )


def _without_holes(mask: NDArray[np.bool_], hole_px: float) -> NDArray[np.bool_]:
    """Fills the holes that are smaller than ``hole_px``; the mask does not reach the edges."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < hole_px
    small[[0, int(labels[0, 0])]] = False  # the mask itself, and what lies around it
    filled: NDArray[np.bool_] = mask | small[labels]
    return filled


def _split(mask: NDArray[np.bool_], width_px: int) -> NDArray[np.int32]:
    """Separates parts joined by less than ``width_px``, and drops narrower parts.

    Returns:
        The number of the part of each pixel, from 1; 0 for none.
    """
    cores = mask.astype(np.uint8)
    if width_px > 1:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px, width_px))
        cores = cv2.morphologyEx(cores, cv2.MORPH_OPEN, disc).astype(np.uint8)
    parts = np.asarray(cv2.connectedComponents(cores, connectivity=4)[1], np.float32)
    # A disc does not reach into right angles: parts grow again by up to (sqrt 2 - 1) of its radius.
    for _ in range(ceil(0.21 * width_px) if width_px > 1 else 0):
        grown = np.asarray(cv2.dilate(parts, np.ones((3, 3), np.uint8)), np.float32)
        parts = np.where((parts == 0) & mask, grown, parts)
    return parts.astype(np.int32)


def _alone(
    probability: Picture, all_parts: NDArray[np.bool_], part: NDArray[np.bool_], level: float
) -> NDArray[np.float32]:
    """The probability, with only one part's pixels above the level.

    The pixels of other parts become as far below the level as a certain pixel is above it, so that
    the outline passes half-way and never overlaps a neighbour's. Filled holes become certain.
    """
    cut = np.where((probability > level) & ~part, 2 * level - 255, probability)
    return np.where(part & ~all_parts, 255.0, cut).astype(np.float32)


def contours(probability: NDArray[np.float32], level: float) -> Iterator[shapely.Polygon]:
    """Polygons of the area above a level, by marching squares (Lorensen and Cline, 1987).

    The corner of the first pixel is at 0, 0.
    """
    generator = contour_generator(z=probability, fill_type=FillType.OuterOffset)
    found = cast(
        tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]], generator.filled(level, 256.0)
    )
    for ring, starts in zip(*found, strict=True):
        rings = [ring[start:end] + 0.5 for start, end in pairwise(starts.tolist())]
        yield shapely.Polygon(rings[0], rings[1:])


def _share_near(mask: NDArray[np.bool_], uncertain: NDArray[np.bool_], near_px: float) -> float:
    """Share of the pixels within a distance of a mask that are uncertain."""
    if not uncertain.any():
        return 0.0
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return float(uncertain[distance <= near_px].mean())


def _overlapping(found: list[_Outline]) -> list[_Outline]:
    """Outlines that regularisation has pushed into a neighbour's outline."""
    touching: list[_Outline] = []
    for appeared in (True, False):
        same = [one for one in found if one.appeared is appeared]
        shapes = np.array([one.polygon for one in same], dtype=object)
        pairs = shapely.STRtree(shapes).query(shapes, predicate="intersects").T
        for i, j in pairs[pairs[:, 0] < pairs[:, 1]]:
            common = shapes[i].intersection(shapes[j]).area
            if common > _OVERLAP * min(shapes[i].area, shapes[j].area):
                touching += [same[i], same[j]]
    return touching
