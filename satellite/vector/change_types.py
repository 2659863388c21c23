"""Classifies changes: new building, extension, demolition, and bare ground.

Measured on 59 new houses of LEVIR-CD (0.5 m): none is taken for an extension. Of the same houses
with half of each already standing before, 49 are classified as extensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import Final, Literal

import cv2
import numpy as np
import rasterio.windows
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely.affinity import affine_transform, translate

from satellite.detection.colours import Plane, indices, resized_to, to_working_resolution
from satellite.detection.roofs import Roofs, roofs
from satellite.detection.shadows import local_mean
from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Change, Quality, Views
from satellite.layers.layers import Reader
from satellite.malloc_trim import release
from satellite.registration.morphology import Mask, closed, dilated, opened
from satellite.registration.pair import Pair
from satellite.vector.buildings import Building

#: A building where none was; an addition to a building; a building that is gone; ground cleared for
#: building.
ChangeType = Literal["new", "extension", "demolition", "bare_ground"]
#: The names for people.
CHANGE_TYPE_NAMES: Final[Mapping[ChangeType, str]] = {
    "new": "new building",
    "extension": "extension",
    "demolition": "demolition",
    "bare_ground": "bare ground",
}

# Width of the ground that is read around a changed building, metres: its neighbours, and enough
# ground to distinguish them.
_AROUND_M: Final = 60.0
# Largest distance from the middle of a changed building that is read, metres; bounds the memory.
_FAR_M: Final = 250.0
# Side of the squares in which buildings are classified together, metres. No window is more than
# twice as large, except a single building's.
_TOGETHER_M: Final = 250.0
# Greatest distance of what may touch a building, metres.
_NEAR_M: Final = 6.0
# Share of the ground that buildings cover: the prior of a building. Each date is an observation of
# the buildings that stand at both, so two uncertain dates together are more certain than either.
_COVERED: Final = 0.1
# Likelihood below which one date excludes a building at both: a cleared plot, or its new roof.
_DENIED: Final = 0.15
# Probability from which a building has appeared, and so stands at one date only.
_APPEARED: Final = 0.5
# Share of a region from which the whole region is bare ground.
_BARE_SHARE: Final = 0.5
# Smallest width of a building, metres: walls and rows of parked cars are narrower.
_NARROW_M: Final = 4.0
# Greatest gap between an extension and the building it extends, metres: the uncertainty from eaves
# and blur.
_TOUCHING_M: Final = 2.0
# Least share of an extension's outline along which it touches; touching at a corner is not enough.
_TOUCHING_SHARE: Final = 0.25

# Ground is bare where it shows no more green than this (vegetation index; dry soil has up to 0.05,
# thin grass more) ...
_BARE_GREEN: Final = 0.06
# ... is no darker than the mean around it (logarithm; asphalt and wet soil are darker) ...
_BARE_LIGHT: Final = 0.0
# ... and varies by no more than this (standard deviation of the logarithm over so many metres).
_BARE_ROUGHNESS: Final = 0.15
_ROUGH_M: Final = 7.0
# Ground was cleared where it is brighter than before by this (logarithm: topsoil off, sand on) ...
_GAINED_LIGHT: Final = 0.15
# ... and less green or smoother by these, or so much brighter that this alone is enough.
_LOST_GREEN: Final = 0.03
_LOST_ROUGHNESS: Final = 0.08
_STRIPPED: Final = 0.4
# Likelihood of a building above which bright ground is a roof or a pad of concrete.
_BARE_NO_BUILDING: Final = 0.4
# Least width of a site, metres: roads and paths are narrower. Gaps (machines, heaps) up to
# `_SITE_GAP_M` are part of the site.
_SITE_WIDTH_M: Final = 12.0
_SITE_GAP_M: Final = 6.0
# The smallest site, square metres: the plot of one house.
_SITE_M2: Final = 300.0
# Width over which the mean around a place is taken, metres.
_PLACE_M: Final = 120.0


class Ground:
    """A window with changed buildings; its standing buildings and bare ground are computed once.

    Args:
        views: The window, with some tens of metres around its changed buildings.
        change: The detector's result for the window.

    Raises:
        SatelliteError: The views and the change differ in size.
    """

    def __init__(self, views: Views, change: Change) -> None:
        if change.appeared.shape != views.quality.shape:
            raise SatelliteError("the detector's result is of another window than the pictures")
        self._views = views
        self._change = change

    @cached_property
    def _dates(self) -> tuple[Roofs, Roofs]:
        clear = self._views.quality == Quality.CLEAR
        before, after = (
            roofs(picture, self._views.resolution_m, clear)
            for picture in (self._views.before, self._views.after)
        )
        return before, after

    @cached_property
    def _bare(self) -> NDArray[np.bool_]:
        return bare_ground(self._views, self._dates[1])

    @cached_property
    def _old(self) -> NDArray[np.bool_]:
        """Buildings that stand at both dates."""
        return standing(self._views, *self._dates) & (self._change.appeared < _APPEARED)

    def change_type_of(self, region: NDArray[np.bool_]) -> ChangeType:
        """Classifies the change of a building.

        Args:
            region: bool ``(height, width)``: the pixels of the building.

        Returns:
            ``demolition`` where more is gone than appeared; ``bare_ground`` where half or more is
            cleared ground; ``extension`` where a quarter of the outline or more touches a building
            that stands at both dates; ``new`` otherwise.

        Raises:
            SatelliteError: The region has no pixels, or differs in size from the window.
        """
        if region.shape != self._views.quality.shape or not region.any():
            raise SatelliteError(
                f"a region of {int(region.sum())} pixels on {region.shape} for a window of "
                f"{self._views.quality.shape}: give the building's pixels on the window's grid"
            )
        change = self._change
        if change.gone[region].mean() > change.appeared[region].mean():
            return "demolition"
        if self._bare[region].mean() >= _BARE_SHARE:
            return "bare_ground"
        near = _box(region, ceil(_NEAR_M / self._views.resolution_m))
        share = touching_share(region[near], self._old[near], self._views.resolution_m)
        return "extension" if share >= _TOUCHING_SHARE else "new"


def change_types_of(
    buildings: Sequence[Building],
    pair: Pair,
    layers: Reader,
    progress: Callable[[float], None] = lambda share: None,
) -> list[ChangeType]:
    """Classifies each of a pair's changed buildings; see :meth:`Ground.change_type_of`.

    Neighbouring buildings share a window: a new estate costs little more than a house.

    Args:
        buildings: The changed buildings.
        pair: The two images.
        layers: The detector's result.
        progress: Called with the share done, 0 to 1.

    Raises:
        SatelliteError: An image or a layer cannot be read.
    """
    change_types: list[ChangeType] = ["demolition"] * len(buildings)
    outlines = {
        number: _Outline.of(building.polygon, pair.grid)
        for number, building in enumerate(buildings)
        if building.appeared
    }
    done = 0
    for window, numbers in _grouped(outlines, _TOGETHER_M / pair.grid.resolution_m):
        rasters = layers.read(window)
        change = Change(
            *(
                (one / np.float32(255)).astype(np.float32)
                for one in (rasters.appeared, rasters.gone)
            )
        )
        ground = Ground(pair.read(window), change)
        for number in numbers:
            change_types[number] = ground.change_type_of(outlines[number].region(window))
        del ground
        release()
        done += len(numbers)
        progress(done / len(outlines))
    return change_types


@dataclass(frozen=True, slots=True)
class _Outline:
    """A building on the grid.

    Attributes:
        polygon: The building's outline, pixels.
        middle: A point inside the outline, so that the region always has a pixel.
        window: The window of the building and its surroundings.
    """

    polygon: shapely.Polygon
    middle: shapely.Point
    window: Window

    @classmethod
    def of(cls, polygon: shapely.Polygon, grid: Grid) -> _Outline:
        a, b, c, d, e, f = tuple(~grid.transform)[:6]
        outline = affine_transform(polygon, [a, b, d, e, c, f])
        middle = outline.representative_point()
        around_it = outline.buffer(_AROUND_M / grid.resolution_m).bounds
        near = middle.buffer((_FAR_M + _AROUND_M) / grid.resolution_m).bounds
        left, top = (floor(max(around_it[i], near[i])) for i in (0, 1))
        right, bottom = (ceil(min(around_it[i], near[i])) for i in (2, 3))
        return cls(outline, middle, Window(left, top, right - left, bottom - top))

    def region(self, window: Window) -> NDArray[np.bool_]:
        """The building's pixels in a window that contains the building's own window."""
        left, top = window.col_off, window.row_off
        shape = (window.height, window.width)
        region = (
            rasterize([translate(self.polygon, -left, -top)], out_shape=shape, dtype="uint8") > 0
        )
        region[floor(self.middle.y) - top, floor(self.middle.x) - left] = True
        mine = np.zeros(shape, np.bool_)
        own = self.window
        mine[
            own.row_off - top : own.row_off - top + own.height,
            own.col_off - left : own.col_off - left + own.width,
        ] = True
        return np.asarray(region & mine, np.bool_)


def _grouped(
    outlines: Mapping[int, _Outline], farthest_px: float
) -> Iterator[tuple[Window, list[int]]]:
    """Groups buildings whose common window is no larger than the sum of their own windows.

    Yields:
        The common window, and the numbers of its buildings.
    """

    def place(number: int) -> tuple[float, float]:
        middle = outlines[number].middle
        return middle.y // farthest_px, middle.x

    numbers: list[int] = []
    window = Window(0, 0, 0, 0)
    apart = 0
    for number in sorted(outlines, key=place):
        own = outlines[number].window
        both = rasterio.windows.union(window, own) if numbers else own
        apart += own.width * own.height
        if numbers and (
            both.width * both.height > apart or max(both.width, both.height) > 2 * farthest_px
        ):
            yield window, numbers
            numbers, both, apart = [], own, own.width * own.height
        numbers.append(number)
        window = both
    if numbers:
        yield window, numbers


def standing(views: Views, before: Roofs, after: Roofs) -> NDArray[np.bool_]:
    """Where a building stands at both dates, bool ``(height, width)``; needs no network.

    Args:
        views: A window.
        before: Roofs of the earlier picture.
        after: Roofs of the later picture.
    """
    clear = np.asarray(views.quality == Quality.CLEAR, np.bool_)
    one, two = (resized_to(date.likelihood, clear.shape) for date in (before, after))
    stands = one * two * (1 - _COVERED) >= (1 - one) * (1 - two) * _COVERED
    stands &= np.minimum(one, two) >= _DENIED
    wide = opened((stands & clear).astype(np.uint8), _NARROW_M / 2 / views.resolution_m)
    return np.asarray(wide > 0, np.bool_)


def touching_share(
    region: NDArray[np.bool_], building: NDArray[np.bool_], resolution_m: float
) -> float:
    """Share of a region's outline that lies within 2 m of a building outside it."""
    inside = cv2.copyMakeBorder(region.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    rim = region & (cv2.erode(inside, np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0)
    beside = (building & ~region).astype(np.uint8)
    near = dilated(beside, max(1.5, _TOUCHING_M / resolution_m)) > 0
    return float(near[rim].mean()) if rim.any() else 0.0


def bare_ground(views: Views, after: Roofs) -> NDArray[np.bool_]:
    """Finds ground that was cleared for building.

    Such ground had plants or structure; at the later date it is brighter, smooth, without plants
    and wider than a road, and it is no building. Fallow fields look the same, so no case is filed
    of these regions.

    Args:
        views: A window of a hundred metres or more, in the same light at both dates.
        after: Roofs of the later picture.

    Returns:
        bool ``(height, width)``: sites of 300 m² or more.
    """
    clear = np.asarray(views.quality == Quality.CLEAR, np.bool_)
    (was, resolution_m), (now, _) = (
        to_working_resolution(picture, views.resolution_m)
        for picture in (views.before, views.after)
    )
    light_before, _, green_before, _ = indices(was, resolution_m)
    light, _, green, _ = indices(now, resolution_m)
    brighter, roughness = light - light_before, _roughness(light, resolution_m)
    bare = (green < _BARE_GREEN) & (light > local_mean(light, _PLACE_M, resolution_m) + _BARE_LIGHT)
    bare &= (brighter > _GAINED_LIGHT) & (after.likelihood < _BARE_NO_BUILDING)
    lost = (green_before - green > _LOST_GREEN) | (brighter > _STRIPPED)
    lost |= _roughness(light_before, resolution_m) - roughness > _LOST_ROUGHNESS
    sites = _sites(bare & lost & (roughness < _BARE_ROUGHNESS), resolution_m)
    # Along its edge a site is rough, since roughness includes the ground beyond.
    edge = dilated(sites, _ROUGH_M / resolution_m) & bare
    whole = opened(sites | edge.astype(np.uint8), _SITE_GAP_M / 2 / resolution_m)
    found = resized_to(whole.astype(np.float32), clear.shape) >= 0.5
    return np.asarray(found & clear, np.bool_)


def _sites(ground: NDArray[np.bool_], resolution_m: float) -> Mask:
    """The parts of a mask that are as wide and as large as a building site."""
    mask = ground.astype(np.uint8)
    wide = opened(closed(mask, _SITE_GAP_M / 2 / resolution_m), _SITE_WIDTH_M / 2 / resolution_m)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(wide, connectivity=8)
    large = np.asarray(stats)[:, cv2.CC_STAT_AREA] * resolution_m**2 >= _SITE_M2
    large[0] = False
    return np.asarray(large[labels], np.uint8) if count > 1 else wide


def _roughness(light: Plane, resolution_m: float) -> Plane:
    mean = local_mean(light, _ROUGH_M, resolution_m)
    variance = local_mean(light * light, _ROUGH_M, resolution_m) - mean * mean
    return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float32)


def _box(region: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    rows, cols = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    top, left = max(0, rows[0] - margin), max(0, cols[0] - margin)
    return slice(top, rows[-1] + margin + 1), slice(left, cols[-1] + margin + 1)
