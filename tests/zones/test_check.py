from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zones
from tests.zones.scene import HEIGHT, KINDS, PLANE, STREET, WIDTH, inverse, project, street_camera
from zones.camera import Camera
from zones.check import check
from zones.errors import ZoneError
from zones.plane import Array
from zones.zone import load_zones, visible_zones


def _write(folder: Path, *parts: tuple[dict[str, Any], Any]) -> Path:
    path = folder / "z.geojson"
    features = [
        {
            "type": "Feature",
            "properties": {"zone": "a", "frame": "image"} | properties,
            "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        }
        for properties, corners in parts
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def _box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _on_map(pixels: Any) -> Any:
    metres: Array = project(inverse(STREET), np.array(pixels, dtype=float))
    return PLANE.to_degrees(metres).tolist()


def test_valid_files_have_no_problems(tmp_path: Path) -> None:
    examples = Path(zones.__file__).parent / "examples"
    assert check(examples / "pixels.geojson", 1280, 720, kinds=KINDS) == []
    assert check(examples / "map.geojson", kinds=KINDS) == []
    path = _write(tmp_path, ({}, _box(300, 400, 900, 700)))
    assert check(path, WIDTH, HEIGHT, street_camera(), kinds=KINDS) == []


def test_errors_of_the_file_are_reported(tmp_path: Path) -> None:
    problems = check(tmp_path / "none.geojson", kinds=KINDS)
    assert [problem.severity for problem in problems] == ["error"]


@pytest.mark.parametrize(
    ("properties", "corners", "camera", "severity", "message"),
    [
        (
            {},
            _box(2000, 0, 2100, 50),
            None,
            "error",
            "zone a: the zone lies outside the frame of 1280 x",
        ),
        ({}, _box(1200, 0, 2100, 50), None, "warning", "91% of the zone lies outside the frame"),
        ({}, _box(0, 100, 900, 104), None, "warning", "the zone is only 4.0 pixels wide"),
        ({}, _box(300, 100, 900, 700), street_camera(), "warning", "places are only accurate to"),
        ({}, _box(300, 0, 900, 700), Camera("c"), None, ""),
        ({"camera": "gate"}, _box(0, 0, 90, 90), street_camera(), "error", "the file names gate"),
        ({"frame": None}, _on_map(_box(300, 400, 900, 700)), None, "error", "belongs to no camera"),
        ({"frame": None}, _on_map(_box(300, 400, 900, 700)), street_camera(), None, ""),
        (
            {"frame": None},
            [[120, 30], [120.1, 30], [120.1, 30.1]],
            street_camera(),
            "error",
            "camera street does not show the zone",
        ),
    ],
)
def test_problems_of_a_zone(
    tmp_path: Path,
    properties: dict[str, Any],
    corners: Any,
    camera: Camera | None,
    severity: str | None,
    message: str,
) -> None:
    problems = check(_write(tmp_path, (properties, corners)), WIDTH, HEIGHT, camera, kinds=KINDS)
    if severity is None:
        assert problems == []
    else:
        assert [problem.severity for problem in problems] == [severity]
        assert message in str(problems[0])


_OUT_OF_VIEW = [[120, 30], [120.1, 30], [120.1, 30.1]]


@pytest.mark.parametrize(
    ("parts", "camera"),
    [
        pytest.param([({"camera": "street"}, _box(0, 0, 90, 90))], None, id="a camera's own"),
        pytest.param([({"camera": "gate"}, _box(0, 0, 90, 90))], street_camera(), id="another's"),
        pytest.param([({"frame": None}, _OUT_OF_VIEW)], street_camera(), id="out of view"),
        pytest.param([({"frame": None}, _OUT_OF_VIEW)], None, id="a map without a camera"),
        pytest.param([({}, _box(2000, 0, 2100, 50))], None, id="outside the frame"),
        pytest.param([({}, _box(0, 0, 90, 90))], None, id="sound"),
        pytest.param(
            [({"zone": "b"}, _box(0, 0, 90, 90)), ({"frame": None}, _OUT_OF_VIEW)],
            street_camera(),
            id="a shared map",
        ),
    ],
)
def test_what_cannot_be_drawn_is_an_error(
    tmp_path: Path, parts: list[tuple[dict[str, Any], Any]], camera: Camera | None
) -> None:
    """`zones draw` has the same zones: those of `visible_zones`, and at least one of them."""
    path = _write(tmp_path, *parts)
    try:
        drawn = visible_zones(load_zones(path, kinds=KINDS), camera, WIDTH, HEIGHT)
    except ZoneError:
        drawn = []
    problems = check(path, WIDTH, HEIGHT, camera, kinds=KINDS)
    assert any(problem.severity == "error" for problem in problems) is (not drawn)


def test_a_zone_of_a_shared_map_that_is_out_of_view_is_a_warning(tmp_path: Path) -> None:
    kerb, yard = ({"zone": "b"}, _box(300, 400, 900, 700)), ({"frame": None}, _OUT_OF_VIEW)
    (problem,) = check(_write(tmp_path, kerb, yard), WIDTH, HEIGHT, street_camera(), kinds=KINDS)
    assert (problem.severity, problem.what) == ("warning", "camera street does not show the zone")


def test_zones_on_the_map_need_a_camera_with_points_before_any_picture_is_there(
    tmp_path: Path,
) -> None:
    path = _write(tmp_path, ({"frame": None}, _on_map(_box(300, 400, 900, 700))))
    (problem,) = check(path, camera=Camera("c"), kinds=KINDS)
    assert (problem.severity, problem.what[:27]) == ("error", "map zones need ground contr")
    assert check(path, camera=street_camera(), kinds=KINDS) == []
    assert check(path, kinds=KINDS) == []


def test_sizes_in_pixels_are_converted_for_the_frame(tmp_path: Path) -> None:
    path = _write(tmp_path, ({"min_size_px": 16}, _box(0, 0, 200, 200)))
    (problem,) = check(path, 1920, 1080, kinds=KINDS)
    assert str(problem) == (
        f"{path}:1: feature 1 (a): min_size_px: sizes are shares of the frame's height now; "
        'write "min_size": 0.015'
    )


def test_sizes_in_metres_need_a_camera_that_can_measure(tmp_path: Path) -> None:
    path = _write(tmp_path, ({"min_size_m": 0.5}, _box(300, 400, 900, 700)))
    assert check(path, WIDTH, HEIGHT, street_camera(), kinds=KINDS) == []
    (problem,) = check(path, WIDTH, HEIGHT, Camera("c"), kinds=KINDS)
    assert "min_size_m: camera c has no ground control points" in str(problem)


def test_a_zone_up_to_the_horizon(tmp_path: Path) -> None:
    sky = _write(tmp_path, ({}, _box(300, 0, 900, 700)))
    camera = street_camera()
    steep = Camera("c", camera.position, camera.ground_control_points, position_radius_m=20)
    assert "the horizon" in str(check(sky, WIDTH, HEIGHT, steep, kinds=KINDS)[0])


def test_two_zones_on_the_same_ground(tmp_path: Path) -> None:
    path = _write(tmp_path, ({}, _box(0, 0, 200, 200)), ({"zone": "b"}, _box(10, 10, 150, 150)))
    (problem,) = check(path, WIDTH, HEIGHT, kinds=KINDS)
    assert "zones a and b cover the same ground" in problem.what
    apart = _write(
        tmp_path,
        ({"kinds": ["clutter"]}, _box(0, 0, 200, 200)),
        ({"zone": "b", "kinds": ["motor_vehicle_parked"]}, _box(10, 10, 150, 150)),
    )
    assert check(apart, WIDTH, HEIGHT, kinds=KINDS) == []
