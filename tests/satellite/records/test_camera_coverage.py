from __future__ import annotations

import numpy as np
import pytest
import shapely

from satellite.records.camera_coverage import Coverage
from tests.zones.scene import (
    EIGHT_PIXELS,
    PLANE,
    STREET,
    control_points,
    ground_to_image,
    inverse,
    project,
    street_camera,
)
from zones.camera import Camera


def _square(east_m: float, north_m: float, side_m: float = 12.0) -> shapely.Polygon:
    """A square on the ground; metres from the street camera's foot to its middle."""
    half = side_m / 2
    square = shapely.box(east_m - half, north_m - half, east_m + half, north_m + half)
    placed: shapely.Polygon = shapely.transform(square, PLANE.to_degrees)
    return placed


# The street camera looks north-east (40 degrees), 25 degrees down.
@pytest.mark.parametrize(
    ("east_m", "north_m", "seen"),
    [
        pytest.param(10, 12, True, id="in front"),
        pytest.param(60, 72, True, id="down the street"),
        pytest.param(-10, -12, False, id="behind"),
        pytest.param(15, -12, False, id="beside"),
        pytest.param(600, 715, False, id="too far to show anything"),
    ],
)
def test_a_camera_covers_the_ground_in_its_picture(
    east_m: float, north_m: float, seen: bool
) -> None:
    coverage = Coverage([street_camera(EIGHT_PIXELS)])
    assert coverage.cameras_at(_square(east_m, north_m)) == (["street"] if seen else [], [])


def test_a_camera_with_a_position_only_may_cover_what_is_near() -> None:
    coverage = Coverage([Camera("gate", (29.8683, 121.5440), position_radius_m=60.0)])
    assert coverage.cameras_at(_square(64, 0)) == ([], ["gate"])
    assert coverage.cameras_at(_square(68, 0)) == ([], [])


def test_a_camera_of_unknown_place_covers_nothing() -> None:
    assert Coverage([Camera("somewhere")]).cameras_at(_square(0, 0)) == ([], [])
    assert Coverage().cameras_at(_square(0, 0)) == ([], [])


def test_several_cameras_are_named_in_their_order() -> None:
    again = ground_to_image(height_m=8, tilt_deg=30, pan_deg=40, focal_px=900)
    second = Camera("second", (29.8683, 121.5440), control_points(again, EIGHT_PIXELS))
    coverage = Coverage([second, street_camera(EIGHT_PIXELS), Camera("gate", (29.8683, 121.5440))])
    assert coverage.cameras_at(_square(10, 12)) == (["second", "street"], ["gate"])


def test_coverage_ends_at_the_edge_of_the_frame() -> None:
    camera = street_camera(EIGHT_PIXELS)
    corner = project(inverse(STREET), np.array([[1230.0, 700.0]]))[0]
    place = _square(float(corner[0]), float(corner[1]), side_m=1.0)
    assert Coverage([camera]).cameras_at(place) == (["street"], []), "1280 x 720 holds all points"
    assert Coverage([camera], {"street": (1150, 700)}).cameras_at(place) == ([], [])
