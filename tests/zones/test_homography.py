from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.zones.scene import EIGHT_PIXELS, FOUR_PIXELS, inverse, poses, project
from zones.homography import fit, outliers, pixel_jacobian
from zones.plane import Array

pixels = st.tuples(st.floats(50, 1230), st.floats(340, 710)).map(lambda p: np.array([p]))


@given(pose=poses, pixel=pixels)
def test_round_trip_and_truth(pose: Array, pixel: Array) -> None:
    homography = fit(FOUR_PIXELS, project(inverse(pose), FOUR_PIXELS), 3, 0.5)
    ground = homography.to_ground(pixel)
    assert np.abs(homography.to_image(ground) - pixel).max() < 1e-6
    assert np.abs(homography.to_ground(homography.to_image(ground)) - ground).max() < 1e-6
    assert np.abs(ground - project(inverse(pose), pixel)).max() < 1e-6
    assert (homography.depth(pixel) > 0).all()


@given(pose=poses, pixel=pixels)
def test_jacobian_is_the_derivative(pose: Array, pixel: Array) -> None:
    matrix = inverse(pose)
    x, y = pixel[0]
    step = 1e-4
    moved = np.array([[x + step, y], [x - step, y], [x, y + step], [x, y - step]])
    east, west, down, up = project(matrix, moved)
    numeric = np.column_stack([(east - west) / (2 * step), (down - up) / (2 * step)])
    assert np.allclose(pixel_jacobian(matrix, x, y), numeric, rtol=1e-4, atol=1e-5)


def test_refinement_minimises_the_error_of_noisy_points() -> None:
    rng = np.random.default_rng(3)
    true = project(inverse(np.array([[900.0, 0, 640], [0, -700, 400], [0, 0.05, 1]])), EIGHT_PIXELS)
    noisy = true + rng.normal(0, 0.01 * np.ptp(true), true.shape)
    homography = fit(EIGHT_PIXELS, noisy, 1, 0.1)
    best = float(np.sum(homography.residuals_m**2))
    for _ in range(50):
        nearby = homography.to_ground_matrix * (1 + rng.normal(0, 1e-4, (3, 3)))
        assert float(np.sum((project(nearby, EIGHT_PIXELS) - noisy) ** 2)) >= best * (1 - 1e-9)


def test_outliers_are_found() -> None:
    matrix = np.array([[0.02, 0.001, -3], [0.0, -0.03, 20], [0, 0.0004, 1]])
    metres = project(matrix, EIGHT_PIXELS)
    metres[[1, 6]] += 9
    assert outliers(EIGHT_PIXELS, metres, 0.5) == [1, 6]
    assert outliers(EIGHT_PIXELS[:6], metres[:6], 0.5) == []
