from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.zones.scene import EIGHT_PIXELS, FOUR_PIXELS, HEIGHT, STREET, WIDTH, control_points
from zones.camera import Camera, PointError
from zones.draw_points import draw_points, point_text

GREY = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)


def _off(east_m: float) -> Camera:
    """A camera whose third of eight points is off to the east."""
    noise = np.zeros((8, 2))
    noise[2, 0] = east_m
    return Camera("street", ground_control_points=control_points(STREET, EIGHT_PIXELS, noise))


def test_each_point_has_its_number_and_its_errors() -> None:
    errors = _off(1.5).point_errors()
    assert [error.number for error in errors] == list(range(1, 9))
    worst = max(errors, key=lambda error: error.left_out_m or 0.0)
    assert worst.number == 3
    assert worst.left_out_m is not None
    assert worst.left_out_m > worst.residual_m > 0.1
    shift = np.hypot(worst.fitted_x - worst.x, worst.fitted_y - worst.y)
    assert shift > 3


def test_the_root_mean_square_of_the_points_is_the_fit_error_of_the_camera() -> None:
    camera = _off(1.5)
    residuals = [error.residual_m for error in camera.point_errors()]
    assert camera.fit_error_m == pytest.approx(np.sqrt(np.mean(np.square(residuals))))


def test_points_that_fit_are_drawn_where_they_are() -> None:
    camera = Camera("street", ground_control_points=control_points(STREET, FOUR_PIXELS))
    for error in camera.point_errors():
        assert (error.fitted_x, error.fitted_y) == pytest.approx((error.x, error.y), abs=0.01)
        assert error.left_out_m is None


def test_a_point_is_a_cross_with_a_label_above_it() -> None:
    point = PointError(3, 640.0, 360.0, 700.0, 360.0, 0.42, 0.9)
    drawn = draw_points(GREY, [point])
    assert (drawn[360, 640] == 255).all()
    assert (drawn[360, 680] == (60, 60, 255)).all()  # the line to where the fit puts it
    label = (drawn == 0).all(axis=2)
    assert label[: 360 - 10].any()
    assert (GREY == 100).all()


def test_the_text_says_what_the_other_points_say() -> None:
    point = PointError(3, 0.0, 0.0, 0.0, 0.0, 0.42, 0.94)
    assert point_text(point) == "3: 0.4 m, by the others 0.9 m"
    assert point_text(replace(point, left_out_m=None)) == "3: 0.4 m"


def test_points_outside_the_frame_change_nothing() -> None:
    point = PointError(1, WIDTH + 5.0, 10.0, 0.0, 0.0, 0.1, None)
    assert (draw_points(GREY, [point]) == GREY).all()
