from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.training.sensor import Sensor, shape_on


def _texture(height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_sensor_pixel_is_the_mean_over_its_ground() -> None:
    picture = _texture()
    seen = Sensor(2.0).simulate(picture, 0.5, 2.0)
    blocks = picture.reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    assert seen.shape == (16, 24, 3)
    assert np.abs(seen - blocks).max() <= 0.5 + 1e-6  # rounding


def test_the_grid_is_interpolated_between_sensor_pixels() -> None:
    picture = _texture()
    coarse = Sensor(2.0).simulate(picture, 0.5, 2.0)
    fine = Sensor(2.0).simulate(picture, 0.5, 0.5)
    assert fine.shape == picture.shape
    assert np.array_equal(fine, cv2.resize(coarse, (96, 64), interpolation=cv2.INTER_CUBIC))


@given(pixel_m=st.floats(2.0, 10.0))
def test_pictures_no_finer_than_the_sensor_are_not_degraded(pixel_m: float) -> None:
    picture = _texture()
    assert np.array_equal(Sensor(2.0, 0.6, 5.0).simulate(picture, pixel_m, pixel_m), picture)


def test_noise_and_blur_have_the_stated_size() -> None:
    flat = np.full((256, 256, 3), 120, np.uint8)
    noisy = Sensor(1.0, noise=4.0).simulate(flat, 0.5, 1.0, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(4.0, rel=0.05)
    assert (Sensor(1.0, noise=4.0).simulate(flat, 0.5, 1.0) == 120).all()  # none without a source
    edge = np.zeros((64, 64, 3), np.uint8)
    edge[:, 32:] = 200
    sharp, soft = (Sensor(2.0, blur).simulate(edge, 0.5, 2.0)[8, :, 0] for blur in (0.0, 0.6))
    assert (sharp[7], sharp[8]) == (0, 200)
    assert 10 < soft[7] < 60
    assert 140 < soft[8] < 190


def test_random_sensors_are_near_the_nominal_one() -> None:
    rng = np.random.default_rng(0)
    sensors = [Sensor(2.0).varied(rng) for _ in range(200)]
    resolutions = [sensor.resolution_m for sensor in sensors]
    assert 1.8 <= min(resolutions) < max(resolutions) <= 2.4
    assert len({sensor.blur_px for sensor in sensors}) == 200


@pytest.mark.parametrize(
    ("shape", "pixel_m", "other_m", "wanted"),
    [
        ((256, 256), 0.5, 2.0, (64, 64)),
        ((61, 61), 2.1, 0.5, (256, 256)),
        ((1, 1), 0.5, 10, (1, 1)),
    ],
)
def test_shapes_cover_the_same_ground(
    shape: tuple[int, int], pixel_m: float, other_m: float, wanted: tuple[int, int]
) -> None:
    assert shape_on(shape, pixel_m, other_m) == wanted
