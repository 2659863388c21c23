from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.windows import Window
from shapely.affinity import translate

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Change, Quality
from satellite.layers.layers import Layers, Rasters
from satellite.vector.blobs import LONGEST
from satellite.vector.buildings import Building, OutlineSettings, contours, outline
from tests.satellite.vector.shapes import (
    circle,
    coverage,
    ell,
    grid_of,
    iou,
    off_right,
    pixels,
    rasters,
    rectangle,
)

SIDE = 160
GRID = grid_of(SIDE, SIDE)
CONTOURS = OutlineSettings(right_angles=False)


def found(
    shapes: list[shapely.Polygon], settings: OutlineSettings | None = None, grid: Grid = GRID
) -> list[shapely.Polygon]:
    """Outlines of the buildings that appeared, in pixels."""
    layers = rasters(coverage(shapes, grid.width, grid.height))
    return [pixels(building.polygon, grid) for building in outline(layers, grid, settings)]


def test_a_building_is_outlined_with_its_figures() -> None:
    truth = rectangle(60.3, 80.6, 40, 24, 25)
    (building,) = outline(rasters(0.9 * coverage([truth], SIDE, SIDE)), GRID)
    polygon = pixels(building.polygon, GRID)
    assert iou(polygon, truth) > 0.96
    assert off_right(polygon) < 0.01
    assert building.appeared
    assert building.area_m2 == pytest.approx(40 * 24 / 4, rel=0.04)
    assert building.width_m == pytest.approx(12, abs=0.4)
    assert building.confidence == pytest.approx(0.9, abs=0.05)
    assert building.uncertain_share == 0


def test_gone_and_appeared_buildings_are_distinguished() -> None:
    new, old = rectangle(40, 40, 30, 20), rectangle(110, 110, 30, 20)
    layers = rasters(coverage([new], SIDE, SIDE), coverage([old], SIDE, SIDE))
    buildings = outline(layers, GRID)
    assert [building.appeared for building in buildings] == [True, False]
    assert iou(pixels(buildings[1].polygon, GRID), old) > 0.97


def test_the_outline_lies_between_pixels() -> None:
    """Moving a building by a tenth of a pixel moves its outline by a tenth of a pixel."""
    for shift in (0.0, 0.1, 0.2, 0.5, 0.8):
        (polygon,) = found([rectangle(60 + shift, 60, 30, 20)])
        assert polygon.centroid.x == pytest.approx(60 + shift, abs=0.07)


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        (rectangle(80, 80, 8, 8), False),  # 16 m2
        (rectangle(80, 80, 11, 9), True),  # 25 m2
        (rectangle(80, 80, 100, 3), False),  # 75 m2, but 1.5 m wide
        (rectangle(80, 80, 100, 3, 33), False),
        (rectangle(80, 80, 60, 7, 33), True),  # 3.5 m wide
        (circle(80, 80, 12), True),
    ],
)
def test_slivers_and_specks_are_not_buildings(shape: shapely.Polygon, kept: bool) -> None:
    assert len(found([shape])) == kept


def test_smaller_buildings_count_with_other_settings() -> None:
    small = rectangle(80, 80, 6, 6)
    assert found([small]) == []
    assert len(found([small], OutlineSettings(min_area_m2=5, min_width_m=1))) == 1


def test_a_courtyard_stays_and_a_roof_window_does_not() -> None:
    house = rectangle(80, 80, 60, 50)
    yard, window = rectangle(70, 80, 14, 12), rectangle(95, 80, 4, 5)
    holed = house.difference(yard).difference(window)
    assert isinstance(holed, shapely.Polygon)
    (polygon,) = found([holed])
    assert len(polygon.interiors) == 1
    assert iou(shapely.Polygon(polygon.interiors[0]), yard) > 0.9
    assert polygon.area == pytest.approx(60 * 50 - 14 * 12, rel=0.02)


@pytest.mark.parametrize("angle", [0, 20, 45])
def test_neighbours_joined_by_a_thin_bridge_are_two(angle: float) -> None:
    bridge = rectangle(80, 80, 40, 3, angle)
    turned = np.radians(angle)
    x, y = 26 * np.cos(turned), 26 * np.sin(turned)
    houses = [rectangle(80 + s * x, 80 + s * y, 24, 30, angle) for s in (-1, 1)]
    polygons = found([*houses, bridge])
    assert len(polygons) == 2
    assert sorted(round(max(iou(p, h) for h in houses), 2) >= 0.93 for p in polygons) == [True] * 2
    assert polygons[0].intersection(polygons[1]).area < 0.01


def test_touching_neighbours_never_overlap() -> None:
    rng = np.random.default_rng(3)
    shapes = [
        rectangle(20 + 24 * i, 20 + 24 * j, 21, 21, float(rng.uniform(-12, 12)))
        for i in range(6)
        for j in range(6)
    ]
    polygons = found(shapes)
    assert len(polygons) > 20
    for one, other in itertools.combinations(polygons, 2):
        assert one.intersection(other).area < 0.002 * min(one.area, other.area)


def test_an_uncertain_patch_counts_only_with_a_certain_pixel() -> None:
    shape = rectangle(80, 80, 40, 30)
    doubtful = 0.55 * coverage([shape], SIDE, SIDE)
    assert outline(rasters(doubtful), GRID) == []
    sure = np.maximum(doubtful, 0.9 * coverage([rectangle(80, 80, 8, 8)], SIDE, SIDE))
    (building,) = outline(rasters(sure), GRID)
    assert building.area_m2 > 200  # as a whole, not its sure part
    assert 0.5 < building.confidence < 0.65
    assert outline(rasters(sure), GRID, OutlineSettings(seed=0.95)) == []


@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.5, 0.7, 0.9])
def test_the_outline_lies_at_the_threshold(threshold: float) -> None:
    ramp = np.clip(1 - np.abs(np.arange(SIDE) - 79.5) / 40, 0, 1)  # 1 at the middle, 0 at 40 px
    slope = np.repeat(ramp[None].astype(np.float32), SIDE, axis=0)
    slope[:30] = slope[-30:] = 0
    settings = OutlineSettings(threshold=threshold, seed=threshold, right_angles=False)
    (building,) = outline(rasters(slope), GRID, settings)
    west, _, east, _ = pixels(building.polygon, GRID).bounds
    assert (east - west) / 2 == pytest.approx(40 * (1 - threshold), abs=0.6)


def test_uncertain_ground_around_a_building_is_reported() -> None:
    truth = rectangle(80, 80, 40, 24)
    quality = np.zeros((SIDE, SIDE), np.uint8)
    quality[:80] = Quality.CLOUD
    (half,) = outline(rasters(coverage([truth], SIDE, SIDE), quality=quality), GRID)
    assert half.uncertain_share == pytest.approx(0.5, abs=0.03)
    quality[:] = Quality.CLEAR
    quality[:40] = Quality.CLOUD  # 14 m away
    (clear,) = outline(rasters(coverage([truth], SIDE, SIDE), quality=quality), GRID)
    assert clear.uncertain_share == 0


def test_a_building_at_the_edge_of_the_grid_ends_there() -> None:
    (polygon,) = found([rectangle(4, 80, 60, 40)])
    assert polygon.bounds == pytest.approx((0, 60, 34, 100), abs=0.3)
    quality = outline(rasters(coverage([rectangle(4, 80, 60, 40)], SIDE, SIDE)), GRID)
    assert quality[0].uncertain_share > 0.1  # the ground beyond is unknown


@pytest.fixture(scope="module")
def scattered() -> Rasters:
    """Buildings of all kinds, noise included, on 400 x 400 pixels."""
    rng = np.random.default_rng(5)
    shapes = [
        (ell if rng.random() < 0.4 else rectangle)(
            float(rng.uniform(0, 400)),
            float(rng.uniform(0, 400)),
            float(rng.uniform(8, 60)),
            float(rng.uniform(8, 60)),
            float(rng.uniform(0, 180)),
        )
        for _ in range(45)
    ]
    sure = cv2.GaussianBlur(coverage(shapes, 400, 400), (0, 0), 1.0)
    noise = cv2.GaussianBlur(rng.normal(0, 0.6, (400, 400)), (0, 0), 2.0)
    gone = coverage([rectangle(200, 200, 90, 40, 10)], 400, 400)
    quality = (cv2.GaussianBlur(rng.normal(0, 1, (400, 400)), (0, 0), 20) > 0.02).astype(np.uint8)
    return rasters(np.clip(sure + noise, 0, 1).astype(np.float32), gone, quality)


def test_the_result_does_not_depend_on_blocks(scattered: Rasters) -> None:
    grid = grid_of(400, 400)
    whole = outline(scattered, grid, block=4000)
    assert len(whole) > 15
    for block in (64, 97):
        blocks = outline(scattered, grid, block=block)
        assert sorted(map(repr, blocks)) == sorted(map(repr, whole))  # to the last digit


def test_tiles_on_disk_and_finished_files_give_the_same(tmp_path: Path) -> None:
    grid = grid_of(300, 200)
    shapes = [rectangle(128, 100, 60, 40, 20), rectangle(250, 60, 30, 30, 5)]
    sure = coverage(shapes, 300, 200)
    layers = Layers.create(tmp_path, grid, 128)
    whole = rasters(sure)
    for tile in grid.tiles(128, 8):
        appeared = whole.read(tile.padded).appeared.astype(np.float32) / np.float32(255)
        clear = np.zeros(appeared.shape, np.uint8)
        layers.write(tile, Change(appeared, np.zeros_like(appeared)), clear)
    expected = outline(whole, grid)
    assert len(expected) == 2
    assert outline(layers, grid) == expected
    layers.finish()
    assert outline(layers, grid) == expected


@dataclass
class Counting:
    """A wide, empty raster with one building, which counts the pixels that are read."""

    building: Window
    read_px: list[int] = field(default_factory=list)

    def read(self, window: Window) -> Rasters:
        self.read_px.append(window.width * window.height)
        place, ones = self.building, np.ones((self.building.height, self.building.width), np.uint8)
        empty = rasters(np.zeros((window.height, window.width), np.float32))
        empty.paste(window, Rasters(255 * ones, 0 * ones, 0 * ones), place)
        return empty


def test_only_blocks_are_in_memory() -> None:
    layers = Counting(Window(1000, 1000, 60, 60))
    seen: list[float] = []
    grid = grid_of(4000, 3000)
    (building,) = outline(layers, grid, progress=seen.append, block=512)
    assert building.area_m2 == pytest.approx(900, rel=0.02)
    assert max(layers.read_px) <= (512 + 2 * 21) ** 2
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) == 8 * 6


def test_a_change_as_large_as_a_district_is_cut_into_blocks() -> None:
    layers = Counting(Window(100, 100, LONGEST + 300, 60))
    grid = grid_of(4000, 300)
    buildings = outline(layers, grid, block=1000)
    assert len(buildings) == 3
    assert sum(b.area_m2 for b in buildings) == pytest.approx((LONGEST + 300) * 15, rel=0.01)
    assert shapely.union_all([b.polygon for b in buildings]).area <= (LONGEST + 301) * 15.3
    assert max(layers.read_px) < (LONGEST + 2 * 512) * 1200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0}, "threshold 0 and seed 0.6"),
        ({"threshold": 0.8}, "the seed is at least the threshold"),
        ({"seed": 1.0}, "below 1"),
        ({"min_area_m2": -1.0}, "min_area_m2 -1: must be 0 or more"),
        ({"min_width_m": float("nan")}, "min_width_m nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(SatelliteError, match=message):
        OutlineSettings(**settings)  # type: ignore[arg-type]


def test_right_angles_are_right_on_the_ground() -> None:
    """At 60 degrees north a pixel of a grid in degrees is half as wide as it is high."""
    grid = Grid(CRS.from_epsg(4326), Affine(1e-5, 0, 25.0, 0, -1e-5, 60.0), SIDE, SIDE)
    on_ground = shapely.get_coordinates(rectangle(0, 0, 40, 20, 30)) * [2, 1]
    (polygon,) = found([translate(shapely.Polygon(on_ground), 80, 80)], grid=grid)
    narrow = shapely.Polygon(shapely.get_coordinates(polygon) * [0.5, 1])
    assert len(narrow.exterior.coords) == 5
    assert off_right(narrow) < 0.3
    assert off_right(polygon) > 10


def test_area_and_width_are_those_of_the_ellipsoid() -> None:
    """Web Mercator doubles lengths at 60 degrees north."""
    grid = Grid(CRS.from_epsg(3857), Affine(1, 0, 2_800_000, 0, -1, 8_399_738), SIDE, SIDE)
    layers = rasters(coverage([rectangle(80, 80, 60, 40)], SIDE, SIDE))
    (building,) = outline(layers, grid, CONTOURS)
    assert building.area_m2 == pytest.approx(60 * 40 / 4, rel=0.02)
    assert building.width_m == pytest.approx(20, rel=0.03)
    lonlat = building.lonlat(grid.crs)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(lonlat)
    assert area == pytest.approx(building.area_m2, rel=1e-6)  # positive: counter-clockwise


def levir(shared: Path, name: str) -> NDArray[np.bool_]:
    path = shared / "satellite" / "levir" / "label" / name
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) > 127


def test_labelled_buildings_come_back(shared_data: Path) -> None:
    """A detector with a blur of a pixel and some noise finds each building once, in its place."""
    label = levir(shared_data, "test_2_0000_0512.png")
    noise = np.random.default_rng(1).normal(0, 0.05, label.shape)
    blurred = cv2.GaussianBlur(label.astype(np.float32), (0, 0), 1.0)
    layers = rasters(np.clip(blurred + noise, 0, 1).astype(np.float32))
    grid = grid_of(256, 256)
    buildings = [pixels(b.polygon, grid) for b in outline(layers, grid)]
    padded = np.pad(label, 1).astype(np.float32)
    truth = [c for c in contours(padded, 0.5) if c.area * 0.25 > 25]
    truth = [shapely.transform(c, lambda xy: xy - 1) for c in truth]
    assert len(buildings) == len(truth)
    agreements = [max(iou(one, other) for other in buildings) for one in truth]
    assert min(agreements) > 0.85
    assert float(np.median(agreements)) > 0.95
    areas = sum(b.area for b in buildings) / sum(t.area for t in truth)
    assert areas == pytest.approx(1, abs=0.02)
    assert len([b for b in buildings if len(b.exterior.coords) < 20]) == len(buildings)


def test_nothing_gives_nothing() -> None:
    empty: list[Building] = outline(rasters(np.zeros((SIDE, SIDE), np.float32)), GRID)
    assert empty == []
