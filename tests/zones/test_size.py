"""The smallest thing that counts: a share of the frame's height, or metres where it stands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.zones.scene import (
    EIGHT_PIXELS,
    HEIGHT,
    WIDTH,
    control_points,
    ground_to_image,
    inverse,
    project,
    street_camera,
)
from zones.camera import Camera, GroundControlPoint
from zones.size import MinSize, share_of_pixels

xs, ys = st.floats(100, 1180), st.floats(340, 700)
# Of the straight-down view, which no street camera has, the scale is the same in every direction.
tilts = st.floats(25, 85)


@given(
    height_m=st.floats(3, 40),
    tilt_deg=tilts,
    pan_deg=st.floats(0, 360),
    roll_deg=st.floats(-20, 20),
    focal_px=st.floats(600, 2000),
    x=xs,
    y=ys,
)
def test_a_pixel_spans_the_distance_by_the_focal_length(
    height_m: float,
    tilt_deg: float,
    pan_deg: float,
    roll_deg: float,
    focal_px: float,
    x: float,
    y: float,
) -> None:
    """Of a camera that also hangs askew: the horizon need not be level."""
    roll = math.radians(roll_deg)
    turn = np.array(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    )
    centre = np.array([[1, 0, WIDTH / 2], [0, 1, HEIGHT / 2], [0, 0, 1.0]])
    pose = ground_to_image(height_m, tilt_deg, pan_deg, focal_px)
    pose = centre @ turn @ inverse(centre) @ pose
    ground = project(inverse(pose), np.array([[*EIGHT_PIXELS[0]], [x, y], *EIGHT_PIXELS]))
    depths = np.column_stack([ground, np.ones(len(ground))]) @ pose[2]
    assume((depths > 0).all() and depths.max() < 500)
    camera = Camera("c", None, control_points(pose, EIGHT_PIXELS), position_radius_m=1e6)
    scale = camera.metres_per_pixel(x, y)
    assert scale == pytest.approx(depths[1] / focal_px, rel=1e-4)


def test_above_the_horizon_and_without_points_there_is_no_scale() -> None:
    camera = street_camera()
    assert camera.metres_per_pixel(640, 0) is None
    horizon_y = 360 - 900 * math.tan(math.radians(25))
    assert camera.metres_per_pixel(640, horizon_y + 1) is None, "known to kilometres only"
    assert camera.metres_per_pixel(640, 600) is not None
    assert Camera("gate").metres_per_pixel(640, 600) is None


def _scaled(camera: Camera, factor: float) -> Camera:
    """The same camera with another resolution."""
    points = tuple(
        GroundControlPoint(factor * each.x, factor * each.y, each.lat, each.lon)
        for each in camera.ground_control_points
    )
    # A pixel's error in pixels of the new size, so that the place is known as well as before.
    return Camera("street", camera.position, points, pixel_error=factor * camera.pixel_error)


@given(
    factor=st.floats(0.25, 4),
    share=st.floats(0.005, 0.3),
    metres=st.none() | st.floats(0.1, 5),
    x=xs,
    y=ys,
    side=st.floats(5, 300),
    aspect=st.floats(0.3, 3),
)
def test_a_frame_and_boxes_of_another_size_change_nothing(
    factor: float,
    share: float,
    metres: float | None,
    x: float,
    y: float,
    side: float,
    aspect: float,
) -> None:
    camera = street_camera(EIGHT_PIXELS)
    width, height = side * max(1.0, aspect), side * max(1.0, 1 / aspect)
    box = np.array([x - width / 2, y - height, x + width / 2, y])
    smallest = MinSize(share * HEIGHT, metres, camera)
    larger = MinSize(share * factor * HEIGHT, metres, _scaled(camera, factor))
    assert larger.at(factor * x, factor * y) == pytest.approx(factor * smallest.at(x, y), rel=1e-6)
    assume(abs(side / smallest.at(x, y) - 1) > 1e-6)
    assert larger.counts(factor * box) == smallest.counts(box)


@given(metres=st.floats(0.1, 5), x=xs, y=ys)
def test_metres_are_measured_at_the_lower_edge_and_come_first(
    metres: float, x: float, y: float
) -> None:
    camera = street_camera()
    scale = camera.metres_per_pixel(x, y)
    assert scale is not None
    side = metres / scale
    smallest = MinSize(1e6, metres, camera)
    assert smallest.counts([x - 0.51 * side, y - 3 * side, x + 0.51 * side, y])
    assert not smallest.counts([x - 0.49 * side, y - 3 * side, x + 0.49 * side, y])


def test_the_share_counts_where_metres_cannot_be_measured() -> None:
    smallest = MinSize(20.0, 0.5, street_camera())
    assert smallest.at(640, 0) == 20.0
    assert smallest.at(640, 690) > smallest.at(640, 400) > 0
    assert MinSize(20.0, 0.5).at(640, 600) == 20.0
    assert MinSize(20.0, None, street_camera()).at(640, 600) == 20.0


@given(data=st.data(), x=st.tuples(xs, xs), y=st.tuples(ys, ys))
def test_the_least_side_is_the_least_of_all_places(
    data: st.DataObject, x: tuple[float, float], y: tuple[float, float]
) -> None:
    (left, right), (top, bottom) = sorted(x), sorted(y)
    smallest = MinSize(20.0, 0.5, street_camera())
    least = smallest.least((left, top, right, bottom))
    place = data.draw(st.floats(left, right)), data.draw(st.floats(top, bottom))
    assert 0 < least <= smallest.at(*place) * (1 + 1e-9)


def test_up_to_the_horizon_the_least_side_is_whatever_can_be_seen() -> None:
    assert MinSize(20.0, 0.5, street_camera()).least((0, 0, WIDTH, HEIGHT)) == 0.0
    assert MinSize(20.0).least((0, 0, WIDTH, HEIGHT)) == 20.0


@pytest.mark.parametrize(
    ("pixels", "height", "expected"),
    [
        (16, 720, "0.022"),
        (16.0, None, "16 / height of the frame in pixels (0.028 at 576 lines, 0.015 at 1080"),
        (800, None, "800 / height of the frame in pixels (0.74 at 1080 lines)"),
        (2000, None, "2000 / height of the frame in pixels"),
        (800, 720, "800 / height of the frame in pixels"),
        ("16", 720, "pixels / height of the frame in pixels"),
        (True, 720, "pixels / height"),
        (math.nan, 720, "pixels / height"),
        (-3, 720, "pixels / height"),
        (None, None, "pixels / height"),
    ],
)
def test_pixels_of_the_old_key_as_a_share(pixels: Any, height: int | None, expected: str) -> None:
    assert share_of_pixels(pixels, height).startswith(expected)
