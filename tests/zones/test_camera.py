from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tests.zones.scene import (
    EIGHT_PIXELS,
    FOUR_PIXELS,
    HEIGHT,
    PLANE,
    STREET,
    WIDTH,
    control_points,
    inverse,
    poses,
    project,
    street_camera,
)
from zones.camera import Camera, GroundControlPoint
from zones.errors import ZoneError
from zones.plane import Array


@given(pose=poses, x=st.floats(100, 1180), y=st.floats(340, 700))
def test_pixels_are_located_as_the_true_camera_does(pose: Array, x: float, y: float) -> None:
    camera = Camera("c", None, control_points(pose, EIGHT_PIXELS), position_radius_m=1e6)
    found = camera.locate(x, y)
    assert found.basis == "homography"
    assert found.lon is not None
    assert found.lat is not None
    metres = PLANE.to_metres(np.array([[found.lon, found.lat]]))
    truth = project(inverse(pose), np.array([[x, y]]))
    assert np.allclose(metres, truth, atol=1e-4)
    assert camera.fit_error_m == pytest.approx(0, abs=1e-4)


@given(pose=poses, x=st.floats(200, 1080), y=st.floats(360, 680))
def test_a_map_zone_is_projected_around_its_pixel(pose: Array, x: float, y: float) -> None:
    camera = Camera("c", None, control_points(pose, FOUR_PIXELS), position_radius_m=1e6)
    corners = np.array([[x - 20, y + 20], [x + 20, y + 20], [x + 20, y - 20], [x - 20, y - 20]])
    zone = shapely.Polygon(PLANE.to_degrees(project(inverse(pose), corners)))
    seen = camera.to_image(zone, WIDTH, HEIGHT)
    assert seen.symmetric_difference(shapely.Polygon(corners)).area < 0.5


def test_pixels_above_the_horizon_give_the_camera_position() -> None:
    camera = street_camera()
    sky = camera.locate(640, 0)
    assert (sky.basis, sky.lat, sky.lon, sky.accuracy_m) == ("camera", 29.8683, 121.5440, 100)
    horizon_y = 360 - 900 * math.tan(math.radians(25))
    assert (
        camera.locate(640, horizon_y + 1).basis == "camera"
    )  # kilometres away, with an accuracy of kilometres
    assert camera.locate(640, horizon_y - 1).basis == "camera"


def test_without_a_position_the_centre_of_the_points_is_used() -> None:
    camera = Camera("c", None, control_points(STREET, FOUR_PIXELS))
    sky = camera.locate(640, -2000)
    assert sky.basis == "camera"
    assert sky.accuracy_m is not None
    assert sky.accuracy_m > 100


def test_without_points_the_place_is_the_camera_position() -> None:
    found = Camera("c", (29.8683, 121.5440), position_radius_m=60).locate(3, 4)
    assert (found.lon, found.lat, found.accuracy_m, found.basis) == (
        121.5440,
        29.8683,
        60,
        "camera",
    )


def test_without_position_and_points_the_place_is_unknown() -> None:
    found = Camera("c").locate(3, 4)
    assert (found.lon, found.lat, found.accuracy_m, found.basis) == (None, None, None, "unknown")
    assert Camera("c").fit_error_m is None


def test_accuracy_grows_with_distance() -> None:
    camera = street_camera()
    radii = [camera.locate(640, y).accuracy_m or math.inf for y in (500, 330, 200, 120)]
    assert radii == sorted(radii)
    assert radii[0] < 2
    assert radii[-1] > 5


def test_accuracy_covers_the_error_of_noisy_points() -> None:
    rng = np.random.default_rng(1)
    pixels = np.array([[400.0, 400.0], [700.0, 650.0], [900.0, 300.0]])
    truth = project(inverse(STREET), pixels)
    covered = []
    for _ in range(40):
        noise = rng.normal(0, 0.5, (8, 2))
        clicked = control_points(STREET, EIGHT_PIXELS, noise)
        camera = Camera("c", None, clicked, max_fit_error_m=5)
        for (x, y), place in zip(pixels + rng.normal(0, 3, (3, 2)), truth, strict=True):
            found = camera.locate(x, y)
            metres = PLANE.to_metres(np.array([[found.lon, found.lat]], dtype=float))[0]
            covered.append(float(np.hypot(*(metres - place))) <= (found.accuracy_m or 0))
    assert np.mean(covered) >= 0.95


def test_leave_one_out_error_is_above_the_fit_error() -> None:
    noise = np.random.default_rng(2).normal(0, 0.4, (8, 2))
    camera = Camera("c", None, control_points(STREET, EIGHT_PIXELS, noise))
    assert camera.fit_error_m is not None
    assert camera.left_out_error_m is not None
    assert 0 < camera.fit_error_m < camera.left_out_error_m
    assert street_camera().left_out_error_m is None
    assert street_camera().doubtful_points == ()


def test_a_point_that_the_others_put_elsewhere_is_doubtful() -> None:
    """Of five points none can be refused: any of them may be the wrong one."""
    five = EIGHT_PIXELS[[0, 1, 2, 3, 4]]
    sound = control_points(STREET, five)
    assert Camera("c", None, sound).doubtful_points == ()
    wrong = dataclasses.replace(sound[4], lat=sound[4].lat + 4 / 111_320)
    camera = Camera("c", None, (*sound[:4], wrong), max_fit_error_m=3.0)
    numbers = [number for number, _ in camera.doubtful_points]
    assert 5 in numbers
    assert all(metres > 3.0 for _, metres in camera.doubtful_points)


def test_a_zone_that_reaches_behind_the_camera_is_cut() -> None:
    around = shapely.Polygon(
        PLANE.to_degrees(np.array([[-200.0, -200.0], [200, -200], [200, 200], [-200, 200]]))
    )
    seen = street_camera().to_image(around, WIDTH, HEIGHT)
    horizon_y = 360 - 900 * math.tan(math.radians(25))
    assert seen.is_valid
    assert seen.contains(shapely.Point(640, 700))
    assert seen.bounds[1] >= max(0, horizon_y)
    assert seen.area > 0.95 * WIDTH * HEIGHT


def test_a_zone_behind_the_camera_or_far_away_is_empty() -> None:
    forward = np.array([math.sin(math.radians(40)), math.cos(math.radians(40))])
    square = np.array([[-3.0, -3.0], [3, -3], [3, 3], [-3, 3]])
    behind = shapely.Polygon(PLANE.to_degrees(square - 30 * forward))
    assert street_camera().to_image(behind, WIDTH, HEIGHT).is_empty
    other_city = shapely.box(120.1, 30.2, 120.2, 30.3)
    assert street_camera().to_image(other_city, WIDTH, HEIGHT).is_empty


def test_a_map_zone_needs_points() -> None:
    with pytest.raises(ZoneError, match="need ground control points"):
        Camera("c", (29.8, 121.5)).to_image(shapely.box(121, 29, 122, 30), WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ((121.5, 29.8), "exchange latitude and longitude"),
        ((500.0, 0.0), "no place on Earth"),
        ((math.nan, 0.0), "no place on Earth"),
        ((29.9683, 121.5440), "lies 11 km from its ground control points"),
    ],
)
def test_bad_positions_are_refused(position: tuple[float, float], message: str) -> None:
    with pytest.raises(ZoneError, match=message):
        Camera("c", position, control_points(STREET, FOUR_PIXELS))


def test_a_pixel_that_is_no_number_is_refused() -> None:
    with pytest.raises(ZoneError, match="is no place"):
        street_camera().locate(math.nan, 3)


def test_cameras_compare_and_hash_by_their_settings() -> None:
    points = (GroundControlPoint(1, 2, 29, 121),)
    assert GroundControlPoint(1, 2, 29, 121) == points[0]
    assert street_camera() == street_camera()
    assert len({street_camera(), street_camera()}) == 1
