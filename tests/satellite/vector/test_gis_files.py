from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Quality
from satellite.vector.gaps import gaps
from satellite.vector.geodesy import area_m2, to_lonlat, width_m
from satellite.vector.gis_files import (
    CHANGES,
    NOT_COMPARED,
    Feature,
    write_geojson,
    write_geopackage,
)
from tests.satellite.vector.shapes import grid_of, rasters, room_for

UTM = CRS.from_epsg(32650)
HOUSE = shapely.Polygon(
    shapely.box(500_000, 3_300_000, 500_020, 3_300_010).exterior,
    [shapely.box(500_005, 3_300_003, 500_009, 3_300_007).exterior],
)
SHED = shapely.box(500_100, 3_300_000, 500_106, 3_300_008)
FEATURES = [
    Feature(
        HOUSE,
        {"sort": "新建筑 new", "area_m2": 184.0, "views": 3, "blind_spot": True, "permit": None},
    ),
    Feature(SHED, {"sort": "extension", "area_m2": 48, "views": None, "blind_spot": None}),
]
CLOUD = [Feature(shapely.box(500_200, 3_300_000, 500_300, 3_300_100), {"reason": "cloud"})]


def layer(
    path: Path, name: str
) -> tuple[dict[str, object], list[shapely.Polygon], dict[str, list[object]]]:
    meta, _, geometry, fields = pyogrio.raw.read(path, layer=name)
    columns = {key: list(column) for key, column in zip(meta["fields"], fields, strict=True)}
    return meta, list(shapely.from_wkb(geometry)), columns


def test_a_geopackage_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "out" / "changes.gpkg"
    write_geopackage(path, FEATURES, CLOUD, UTM)
    assert pyogrio.list_layers(path)[:, 0].tolist() == [CHANGES, NOT_COMPARED]
    meta, shapes, columns = layer(path, CHANGES)
    assert meta["crs"] == "EPSG:32650"
    assert meta["geometry_type"] == "MultiPolygon"
    assert [shape.equals(f.polygon) for shape, f in zip(shapes, FEATURES, strict=True)] == [
        True
    ] * 2
    assert columns["sort"] == ["新建筑 new", "extension"]
    assert columns["area_m2"] == [184.0, 48.0]
    assert columns["views"][0] == 3
    assert np.isnan(np.float64(str(columns["views"][1])))
    assert columns["blind_spot"][0] == True  # noqa: E712 (a number, or NumPy's)
    assert columns["permit"] == [None, None]
    _, clouds, reasons = layer(path, NOT_COMPARED)
    assert clouds[0].equals(CLOUD[0].polygon)
    assert reasons == {"reason": ["cloud"]}
    assert [p.name for p in path.parent.iterdir()] == ["changes.gpkg"]


def test_a_geopackage_of_nothing_has_both_layers(tmp_path: Path) -> None:
    path = tmp_path / "changes.gpkg"
    write_geopackage(path, [], [], UTM)
    for name in (CHANGES, NOT_COMPARED):
        meta, shapes, _ = layer(path, name)
        assert shapes == []
        assert meta["crs"] == "EPSG:32650"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "changes.gpkg"
    write_geopackage(path, FEATURES, CLOUD, UTM)
    write_geopackage(path, FEATURES[:1], [], UTM)
    assert len(layer(path, CHANGES)[1]) == 1
    assert layer(path, NOT_COMPARED)[1] == []


def test_without_pyogrio_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyogrio.raw", None)
    with pytest.raises(SatelliteError, match=r"needs pyogrio.*cv-engine\[satellite\]"):
        write_geopackage(tmp_path / "a.gpkg", FEATURES, [], UTM)


def test_a_path_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SatelliteError, match="cannot be written"):
        write_geopackage(tmp_path / "file" / "a.gpkg", FEATURES, [], UTM)
    with pytest.raises(SatelliteError, match="cannot be written"):
        write_geojson(tmp_path / "file" / "a.geojson", FEATURES, UTM)


@pytest.mark.parametrize("room", [0, 5_000, 100_000, 130_000])
def test_a_full_disk_keeps_the_previous_file(tmp_path: Path, room: int) -> None:
    many = FEATURES * 600
    package, text = tmp_path / "a.gpkg", tmp_path / "a.geojson"
    write_geopackage(package, FEATURES, CLOUD, UTM)
    write_geojson(text, FEATURES, UTM)
    before = [path.read_bytes() for path in (package, text)]
    messages: list[str] = []
    with room_for(room):
        try:
            write_geopackage(package, many, [], UTM)
        except SatelliteError as error:
            messages.append(str(error))
        try:
            write_geojson(text, many, UTM)
        except SatelliteError as error:
            messages.append(str(error))
    assert len(messages) == 2
    assert all("cannot be written" in message and len(message) < 500 for message in messages)
    assert [path.read_bytes() for path in (package, text)] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.geojson", "a.gpkg"]


def test_geojson_follows_rfc_7946(tmp_path: Path) -> None:
    path = tmp_path / "changes.geojson"
    write_geojson(path, FEATURES, UTM)
    text = path.read_text(encoding="utf-8")
    said = json.loads(text)
    assert said["type"] == "FeatureCollection"
    assert "crs" not in said
    assert "新建筑 new" in text
    first = said["features"][0]
    assert first["properties"] == dict(FEATURES[0].properties)
    exterior, hole = (shapely.LinearRing(ring) for ring in first["geometry"]["coordinates"])
    assert exterior.is_ccw
    assert not hole.is_ccw
    back = Transformer.from_crs("EPSG:4326", "EPSG:32650", always_xy=True)
    returned = shapely.transform(
        shapely.Polygon(exterior, [hole]), lambda xy: np.column_stack(back.transform(*xy.T))
    )
    assert shapely.hausdorff_distance(returned, HOUSE) < 0.02
    meta = pyogrio.read_info(path)
    assert meta["crs"] == "EPSG:4326"
    assert meta["features"] == 2


def test_geojson_of_nothing_is_valid(tmp_path: Path) -> None:
    write_geojson(tmp_path / "none.geojson", [], UTM)
    said = json.loads((tmp_path / "none.geojson").read_text())
    assert said == {"type": "FeatureCollection", "features": []}


@pytest.mark.parametrize(
    ("crs", "shape"),
    [
        (CRS.from_epsg(4326), shapely.box(179.9995, -17.001, 180.0005, -17.0)),
        (CRS.from_epsg(32760), shapely.box(819_000, 8_118_000, 820_000, 8_118_100)),
        (CRS.from_epsg(3832), shapely.box(3_339_500, -1_900_100, 3_339_600, -1_900_000)),
    ],
    ids=["degrees", "UTM", "Pacific Mercator"],
)
def test_a_polygon_across_the_antimeridian_is_cut_there(
    tmp_path: Path, crs: CRS, shape: shapely.Polygon
) -> None:
    cut = to_lonlat(shape, crs)
    assert isinstance(cut, shapely.MultiPolygon)
    west, _, east, _ = cut.bounds
    assert (west, east) == (-180, 180)
    assert all(part.exterior.is_ccw and part.bounds[2] - part.bounds[0] < 1 for part in cut.geoms)
    assert sum(area_m2(part, CRS.from_epsg(4326)) for part in cut.geoms) == pytest.approx(
        area_m2(shape, crs), rel=1e-4
    )
    write_geojson(tmp_path / "a.geojson", [Feature(shape, {})], crs)
    said = json.loads((tmp_path / "a.geojson").read_text())
    assert said["features"][0]["geometry"]["type"] == "MultiPolygon"


def test_a_place_outside_the_projection_is_refused() -> None:
    with pytest.raises(SatelliteError, match="cannot be expressed in longitude and latitude"):
        to_lonlat(shapely.box(1e12, 1e12, 2e12, 2e12), CRS.from_epsg(32650))


@pytest.mark.parametrize("epsg", [32650, 4326, 3857, 2326])
def test_sizes_are_those_on_the_ground(epsg: int) -> None:
    """20 m by 8 m near Hong Kong, whatever the projection."""
    ground = shapely.box(-10, -4, 10, 4)
    plane = "+proj=aeqd +lat_0=22.3 +lon_0=114.2 +datum=WGS84 +units=m"
    move = Transformer.from_crs(plane, f"EPSG:{epsg}", always_xy=True)
    shape = shapely.transform(ground, lambda xy: np.column_stack(move.transform(*xy.T)))
    crs = CRS.from_epsg(epsg)
    assert area_m2(shape, crs) == pytest.approx(160, rel=1e-4)
    assert width_m(shape, crs) == pytest.approx(8, rel=0.01)
    assert width_m(shapely.Polygon([(0, 0), (1, 1), (2, 2)]), crs) == 0


def quality_of(grid: Grid) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    quality = np.zeros((grid.height, grid.width), np.uint8)
    quality[:, :37] = Quality.NODATA
    quality[100:300, 900:1200] = Quality.CLOUD
    quality[150:250, 1000:1100] = Quality.CLEAR  # a hole in the cloud
    quality[300:320, 900:1200] = Quality.SHADOW
    quality[700, 700] = Quality.WATER
    return quality


@pytest.mark.parametrize("block", [2048, 300, 64])
def test_gaps_are_outlined_by_reason(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("satellite.vector.gaps._BLOCK", block)
    grid = grid_of(1505, 1003)  # cells of 10 pixels do not fit into it
    quality = quality_of(grid)
    layers = rasters(np.zeros(quality.shape, np.float32), quality=quality)
    seen: list[float] = []
    found = gaps(layers, grid, seen.append)
    assert [gap.reason for gap in found] == [
        Quality.NODATA,
        Quality.CLOUD,
        Quality.SHADOW,
        Quality.WATER,
    ]
    nodata, cloud, shadow, water = found
    assert nodata.area_m2 == pytest.approx(40 * 1003 / 4, rel=0.001)  # 37 px are 4 cells
    assert cloud.area_m2 == pytest.approx((200 * 300 - 100 * 100) / 4, rel=0.001)
    assert len(cloud.polygon.interiors) == 1
    assert shadow.area_m2 == pytest.approx(20 * 300 / 4, rel=0.001)
    assert water.area_m2 == pytest.approx(25, rel=0.001)  # one pixel, but not to be forgotten
    assert len(nodata.polygon.exterior.coords) == 5  # no trace of the blocks
    extent = shapely.box(*grid.bounds)
    assert all(extent.buffer(1e-6).covers(gap.polygon) for gap in found)
    assert seen[-1] == 1


def test_gaps_cover_every_pixel_that_could_not_be_compared() -> None:
    rng = np.random.default_rng(2)
    grid = Grid(UTM, Affine(2, 0, 500_000, 0, -2, 3_300_000), 203, 151)
    quality = (rng.random((151, 203)) < 0.02).astype(np.uint8) * rng.integers(
        1, 8, (151, 203), dtype=np.uint8
    )
    layers = rasters(np.zeros(quality.shape, np.float32), quality=quality)
    covered = shapely.union_all([gap.polygon for gap in gaps(layers, grid)])
    rows, cols = np.nonzero(quality)
    centres = shapely.points(500_000 + 2 * cols + 1, 3_300_000 - 2 * rows - 1)
    assert shapely.covers(covered, centres).all()
    clear = Grid(UTM, grid.transform, 50, 50)
    assert gaps(rasters(np.zeros((50, 50), np.float32)), clear) == []
