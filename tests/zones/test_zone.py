from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

import zones
from tests.zones.scene import HEIGHT, KINDS, PLANE, STREET, WIDTH, inverse, project, street_camera
from zones.camera import Camera
from zones.errors import OutOfView, ZoneError
from zones.zone import Zone, load_zones, on_image, visible_zones, whole_frame

EXAMPLES = Path(zones.__file__).parent / "examples"
SQUARE = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]


def _feature(coordinates: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"zone": "a", "frame": "image"} | properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def _load(folder: Path, *features: Any) -> list[Zone]:
    path = folder / "z.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=1))
    return load_zones(path, kinds=KINDS)


def test_metres_need_ground_control_points(tmp_path: Path) -> None:
    path = tmp_path / "z.geojson"
    features = [_feature([SQUARE], zone="b"), _feature([SQUARE], min_size_m=0.5)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=1))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "size_m" in text)
    with pytest.raises(ZoneError) as caught:
        load_zones(path, kinds=KINDS, camera=Camera("gate"))
    assert str(caught.value) == (
        f"{path}:{line}: feature 2 (a): min_size_m: camera gate has no ground control points, which"
        " give metres; add ground_control_points to the camera, or give min_size, a share of the"
        " frame's height"
    )
    for camera in (None, street_camera()):
        assert load_zones(path, kinds=KINDS, camera=camera)[1].min_size_m == 0.5
    theirs = _load(tmp_path, _feature([SQUARE], min_size_m=0.5, camera="street"))
    assert load_zones(path, kinds=KINDS, camera=Camera("gate")) == theirs


def _message(folder: Path, text: str | bytes) -> str:
    path = folder / "z.geojson"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ZoneError) as caught:
        load_zones(path, kinds=KINDS)
    return str(caught.value).replace(f"{folder}/", "")


def test_examples_load() -> None:
    pavement, lane = load_zones(EXAMPLES / "pixels.geojson", timezone="Asia/Shanghai", kinds=KINDS)
    assert (pavement.name, pavement.dwell_s, pavement.min_size) == ("pavement", 300, 0.02)
    assert pavement.schedule.active(datetime.fromisoformat("2026-05-01T07:00+08:00"))
    assert not pavement.schedule.active(datetime.fromisoformat("2026-05-01T06:59+08:00"))
    assert lane.kinds == {"motor_vehicle_parked"}
    assert not lane.polygon.contains(shapely.Point(900, 590))
    east, gate = load_zones(EXAMPLES / "map.geojson", kinds=KINDS)
    assert (east.frame, gate.camera) == ("wgs84", "market-street")
    assert len(shapely.get_parts([gate.polygon])) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "z.geojson: the file is empty; write a GeoJSON FeatureCollection"),
        (" \n", "z.geojson: the file is empty"),
        ("zones:\n", "z.geojson:1, column 1: the file is not JSON"),
        (
            '{"type": "FeatureCollection",\n "features": [,]}',
            "z.geojson:2, column 15: the file is not",
        ),
        (b"\xff\xfe\x00{", "z.geojson:1: the file is not UTF-8 text"),
        ("[1, 2]", "z.geojson:1: the file is no GeoJSON FeatureCollection"),
        ('{"type": "Polygon", "coordinates": []}', "its type is 'Polygon'"),
        ('{"type": "FeatureCollection"}', "z.geojson:1: there are no features"),
        ('{"type": "FeatureCollection",\n"features": []}', "z.geojson:2: there are no features"),
        (
            '{"type": "FeatureCollection",\n"features": [3]}',
            "z.geojson:2: feature 1: the entry is no",
        ),
        ('{"type": "FeatureCollection",\n"type": "a"}', "z.geojson:2: 'type' is written twice"),
        ("[" * 100000, "z.geojson:1: the values are nested more than 50 levels"),
        (
            '{"type": "FeatureCollection", "features": [1],\n'
            '"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}}',
            "z.geojson:2: crs: the file is in urn:ogc:def:crs:EPSG::3857; export it in WGS 84",
        ),
    ],
)
def test_files_without_zones(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in _message(tmp_path, text)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ZoneError, match="there is no such file; correct the path"):
        load_zones(tmp_path / "none.geojson", kinds=KINDS)
    with pytest.raises(ZoneError, match="cannot be read"):
        load_zones(tmp_path, kinds=KINDS)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"dwell": 3}, "dwell: unknown property; did you mean dwell_s?"),
        ({"zzz": 3}, "zzz: unknown property; remove it; known: zone, kinds"),
        (
            {"dwell_s": "5m"},
            "dwell_s: '5m' is no number; give a number of seconds, such as 300",
        ),
        ({"dwell_s": -5}, "dwell_s: -5 is not above 0"),
        ({"dwell_s": True}, "dwell_s: True is no number"),
        ({"dwell_s": math.nan}, "dwell_s: nan is not above 0 and finite"),
        ({"min_size": 0}, "min_size: 0 is not above 0"),
        ({"min_size": math.inf}, "min_size: inf is not above 0"),
        ({"min_size": "1%"}, "min_size: '1%' is no number; give a share of the frame's height"),
        ({"min_size": 16}, "min_size: 16 is no share of the frame's height; give a number above"),
        ({"min_size_m": -1}, "min_size_m: -1 is not above 0 and finite; give a number of metres"),
        (
            {"min_size_px": 16},
            "min_size_px: sizes are shares of the frame's height now; "
            'write "min_size": 16 / height of the frame in pixels (0.028 at 576 lines, 0.015 at',
        ),
        ({"min_size_px": None}, 'write "min_size": pixels / height of the frame in pixels'),
        ({"kinds": ["motor_vehicle"]}, "is no violation; did you mean motor_vehicle_parked?"),
        ({"kinds": ["xyz"]}, "'xyz' is no violation; known: clutter, motor_vehicle_parked"),
        ({"kinds": []}, "kinds: the list is empty"),
        ({"kinds": 3}, "kinds: 3 is no list of violations"),
        ({"schedule": "Mon"}, "schedule: 'Mon' is no day; did you mean Mo?"),
        ({"schedule": 3}, "schedule: 3 is no schedule"),
        ({"frame": "pixels"}, "frame: 'pixels' is no frame; write \"image\" for pixels"),
        ({"zone": ""}, "zone: '' is no name"),
        ({"zone": None}, 'zone: the zone has no name; add "zone"'),
        ({"camera": 3}, "camera: 3 is no name"),
    ],
)
def test_wrong_properties(tmp_path: Path, properties: dict[str, Any], message: str) -> None:
    with pytest.raises(ZoneError) as caught:
        _load(tmp_path, _feature([SQUARE], zone="b"), _feature([SQUARE], **properties))
    assert message in str(caught.value)
    assert ": feature 2" in str(caught.value)


@pytest.mark.parametrize(
    ("coordinates", "frame", "message"),
    [
        ([[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]], "image", "crosses itself at x 5, y 5"),
        ([[[0, 0], [10, 0], [20, 0], [0, 0]]], "image", "the corners enclose no area"),
        ([[[5, 5], [5, 5], [5, 5], [5, 5]]], "image", "the corners enclose no area"),
        ([[[0, 0], [0.9, 0], [0.9, 0.9], [0, 0]]], "image", "give pixels, not parts of the frame"),
        ([SQUARE[:4]], "image", "the outline is not closed; repeat its first corner [0, 0]"),
        ([[[0, 0], [9, 9], [0, 0]]], "image", "3 positions enclose no area"),
        ([[[0, 0]]], "image", "1 positions enclose no area"),
        ([[]], "image", "a ring is no list of positions"),
        ([], "image", "there are no coordinates"),
        (3, "image", "there are no coordinates"),
        ([3], "image", "a ring is no list of positions"),
        ([[3, 4]], "image", "3 is no position"),
        ([[["0", "0"], [1, 0]]], "image", "'0' is no number"),
        ([[[0, 0], [math.nan, 0], [9, 9], [0, 0]]], "image", "nan is not a finite number"),
        (
            [SQUARE, [[200, 200], [300, 200], [300, 300], [200, 200]]],
            "image",
            "a hole lies outside",
        ),
        ([SQUARE, SQUARE], "image", "z.geojson"),
        ([[[29.8, 121.5], [29.9, 121.5], [29.9, 121.6], [29.8, 121.5]]], None, "look exchanged"),
        ([[[500, 300], [600, 300], [600, 400], [500, 300]]], None, 'add "frame": "image"'),
        (
            [[[121, 29], [121.1, 29.1], [121.1, 29], [121, 29.1], [121, 29]]],
            None,
            "crosses itself at longitude 121.05, latitude 29.05",
        ),
    ],
)
def test_wrong_shapes(tmp_path: Path, coordinates: Any, frame: str | None, message: str) -> None:
    with pytest.raises(ZoneError) as caught:
        _load(tmp_path, _feature(coordinates, frame=frame))
    assert message in str(caught.value)
    assert ": feature 1 (a): coordinates: " in str(caught.value)


@pytest.mark.parametrize("kind", ["Point", "LineString", "GeometryCollection"])
def test_geometries_without_area(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ZoneError, match=f"a {kind} is no area; draw a Polygon"):
        _load(tmp_path, _feature([], kind))
    with pytest.raises(ZoneError, match="there is no geometry"):
        _load(tmp_path, {"type": "Feature", "properties": {"zone": "a"}, "geometry": None})


def test_errors_name_the_line(tmp_path: Path) -> None:
    text = """{
      "type": "FeatureCollection",
      "features": [
        {"type": "Feature", "properties": {"zone": "a", "frame": "image",
            "dwell_s": "\\"}]5m"},
         "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0],
            [9, NaN], [0, 0]]]}}
      ]
    }"""
    dwell, corner = _message(tmp_path, text).splitlines()
    assert dwell.startswith("z.geojson:5: feature 1 (a): dwell_s: ")
    assert corner.startswith("z.geojson:7: feature 1 (a): coordinates: nan")


def test_either_ring_order_and_null_properties_are_accepted(tmp_path: Path) -> None:
    first, second = _load(
        tmp_path,
        _feature([SQUARE, [[10, 10], [20, 10], [20, 20], [10, 10]]], dwell_s=None, kinds=None),
        _feature([SQUARE[::-1], [[10, 10], [20, 20], [20, 10], [10, 10]]], zone="b"),
    )
    assert first.polygon.equals(second.polygon)
    assert first.polygon.area == 10000 - 50
    assert first.dwell_s is None
    assert first.kinds == set(KINDS)


def test_a_file_may_hold_a_single_feature(tmp_path: Path) -> None:
    path = tmp_path / "z.geojson"
    path.write_text(json.dumps(_feature([SQUARE])))
    assert [zone.name for zone in load_zones(path, kinds=KINDS)] == ["a"]


def test_features_with_one_name_are_parts_of_one_zone(tmp_path: Path) -> None:
    far = [[[x + 200, y] for x, y in SQUARE]]
    (zone,) = _load(tmp_path, _feature([SQUARE], dwell_s=3), _feature(far, dwell_s=3))
    assert zone.polygon.area == 20000
    overlapping = [[SQUARE], [[[x + 50, y] for x, y in SQUARE]]]
    (zone,) = _load(tmp_path, _feature(overlapping, "MultiPolygon"))
    assert zone.polygon.area == 15000


def test_parts_must_agree(tmp_path: Path) -> None:
    with pytest.raises(
        ZoneError, match=r"feature 2 \(a\): another feature .* another dwell_s; rename"
    ):
        _load(tmp_path, _feature([SQUARE], dwell_s=3), _feature([SQUARE], dwell_s=4))
    with pytest.raises(ZoneError, match="another camera"):
        _load(tmp_path, _feature([SQUARE]), _feature([SQUARE], camera="c"))
    two = _load(tmp_path, _feature([SQUARE], camera="b"), _feature([SQUARE], camera="c"))
    assert [(zone.name, zone.camera) for zone in two] == [("a", "b"), ("a", "c")]


corners = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=3, max_size=9, unique=True
)


@given(corners=corners)
def test_any_ring_gives_a_valid_zone_or_a_message(
    corners: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ring = [list(corner) for corner in [*corners, corners[0]]]
    folder = tmp_path_factory.mktemp("ring")
    try:
        (zone,) = _load(folder, _feature([ring]))
    except ZoneError as error:
        assert not shapely.Polygon(ring).is_valid or shapely.Polygon(ring).area <= 1
        assert error.problems
    else:
        assert zone.polygon.is_valid
        assert zone.polygon.area == pytest.approx(shapely.Polygon(ring).area)


@given(corners=corners, width=st.integers(1, 250), height=st.integers(1, 250))
def test_on_image_stays_inside_zone_and_frame(
    corners: list[tuple[int, int]], width: int, height: int
) -> None:
    polygon = shapely.MultiPoint(corners).convex_hull
    if not isinstance(polygon, shapely.Polygon):
        return
    frame = shapely.box(0, 0, width, height)
    try:
        seen = on_image(Zone("a", frozenset(KINDS), polygon), None, width, height).polygon
    except OutOfView:
        assert polygon.intersection(frame).area == 0
    else:
        assert seen.is_valid
        assert seen.area == pytest.approx(polygon.intersection(frame).area)


def test_a_zone_outside_the_frame_is_reported_with_its_extent() -> None:
    zone = Zone("a", frozenset(KINDS), shapely.box(2000, 10, 2100, 20))
    with pytest.raises(OutOfView, match="outside the frame of 1280 x 720 pixels: x 2000 to 2100"):
        on_image(zone, None, WIDTH, HEIGHT)


def _map_zone(pixels: Any, **changes: Any) -> Zone:
    metres = project(inverse(STREET), np.array(pixels, dtype=float))
    polygon = shapely.Polygon(PLANE.to_degrees(metres))
    return Zone("map", frozenset(KINDS), polygon, "wgs84", **changes)


def test_map_zones_need_a_camera_with_points() -> None:
    zone = _map_zone([[600, 600], [700, 600], [700, 500], [600, 500]])
    with pytest.raises(ZoneError, match="belongs to no camera"):
        on_image(zone, None, WIDTH, HEIGHT)
    with pytest.raises(ZoneError, match="need ground control points"):
        on_image(zone, Camera("c", (29.8683, 121.5440)), WIDTH, HEIGHT)
    seen = on_image(zone, street_camera(), WIDTH, HEIGHT)
    assert seen.frame == "image"
    assert seen.polygon.bounds == pytest.approx((600, 500, 700, 600), abs=0.01)


def test_visible_zones_are_those_that_the_camera_watches() -> None:
    here = _map_zone([[600, 600], [700, 600], [700, 500], [600, 500]])
    elsewhere = Zone("far", frozenset(KINDS), shapely.box(120, 30, 120.1, 30.1), "wgs84")
    others = Zone("theirs", frozenset(KINDS), shapely.box(0, 0, 9, 9), camera="gate")
    drawn = Zone("mine", frozenset(KINDS), shapely.box(0, 0, 9, 9), camera="street")
    visible = visible_zones([here, elsewhere, others, drawn], street_camera(), WIDTH, HEIGHT)
    assert [zone.name for zone in visible] == ["map", "mine"]
    mine_only = Zone("far", frozenset(KINDS), elsewhere.polygon, "wgs84", camera="street")
    with pytest.raises(ZoneError, match="camera street does not show the zone"):
        visible_zones([mine_only], street_camera(), WIDTH, HEIGHT)


def test_whole_frame() -> None:
    zone = whole_frame(640, 360, ["clutter"])
    assert zone.polygon.area == 640 * 360
    assert (zone.frame, zone.kinds, zone.camera) == ("image", frozenset(["clutter"]), None)
    assert zone.schedule.active(datetime.fromisoformat("2026-05-01T03:00Z"))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_zone_has_days_a_warning_period_and_a_say_on_notices(tmp_path: Path) -> None:
    dates = {"from": "2026-09-01", "to": "2026-12-31", "warning": "2026-09-30"}
    (zone,) = _load(
        tmp_path, _feature([SQUARE], **dates, notice="at_once", address="7 Market Street")
    )
    assert (zone.notice, zone.address) == ("at_once", "7 Market Street")
    days = ("2026-08-31", "2026-09-01", "2026-12-31", "2027-01-01")
    watched = [zone.schedule.active(_at(f"{day}T12:00:00+00:00")) for day in days]
    assert watched == [False, True, True, False]
    assert zone.is_warning(_at("2026-09-30T23:59:59+00:00"))
    assert not zone.is_warning(_at("2026-10-01T00:00:00+00:00"))


def test_a_warning_period_may_have_no_end(tmp_path: Path) -> None:
    (zone,) = _load(tmp_path, _feature([SQUARE], warning=True))
    assert zone.is_warning(_at("2999-01-01T00:00:00+00:00"))
    (zone,) = _load(tmp_path, _feature([SQUARE], warning=False))
    assert not zone.is_warning(_at("2026-01-01T00:00:00+00:00"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("from", "1.9.2026", "'1.9.2026' is no date"),
        ("to", 7, "7 is no date"),
        ("to", "2026-08-31", "2026-08-31 is before 2026-09-01"),
        ("warning", "soon", "'soon' is no date"),
        ("warning", 1, "1 is no date"),
        ("notice", "later", "'later' is no time for a notice"),
        ("notice", ["at_once"], "is no time for a notice"),
        ("address", "", "is no name"),
    ],
)
def test_days_and_notices_that_cannot_be_are_named(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    with pytest.raises(ZoneError) as caught:
        _load(tmp_path, _feature([SQUARE], **{"from": "2026-09-01", key: value}))
    assert message in str(caught.value)
