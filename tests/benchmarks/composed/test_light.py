from __future__ import annotations

import numpy as np
import pytest

from benchmarks.composed.camera import Camera, draw_camera
from benchmarks.composed.light import Blinkers, Clouds, Exposure, Headlight, Lamp, Shadow, glow

GREY = np.full((60, 80), 120, np.uint8)


def test_a_drift_is_brighter_and_darker_by_its_amplitude() -> None:
    drift = Exposure(0.2, 40.0, 0.0)
    levels = [drift.apply(GREY, time_s).mean() for time_s in (0, 10, 30)]
    assert levels == pytest.approx([120, 144, 96], abs=1)


def test_an_exposure_jumps_once_and_stays() -> None:
    jump = Exposure(0.0, 40.0, 0.0, jump_s=5.0, jump=1.5)
    levels = [jump.apply(GREY, time_s).mean() for time_s in (4, 6, 50)]
    assert levels == pytest.approx([120, 180, 180], abs=1)


def test_a_shadow_moves_stops_and_stays() -> None:
    corners = np.array([[0, 20], [20, 20], [20, 40], [0, 40]], np.float64)
    shadow = Shadow(corners, (10.0, 0.0), 2.0, 5.0, 0.5, 0.0)
    before, moving, stopped, later = (shadow.apply(GREY, t) for t in (0, 3, 5, 60))
    assert before[30, 10] == 60
    assert before[30, 50] == 120
    assert moving[30, 15] < 80
    assert stopped[30, 40] == 60
    assert np.array_equal(stopped, later)


def test_a_lamp_is_lit_between_its_times() -> None:
    lamp = Lamp((80, 60), (40, 30), 8.0, 50.0, 10.0, 20.0)
    assert np.array_equal(lamp.apply(GREY, 9.9), GREY)
    assert lamp.apply(GREY, 15.0)[30, 40] == 170
    assert np.array_equal(lamp.apply(GREY, 20.0), GREY)


def test_a_beam_sweeps_from_start_to_end() -> None:
    beam = Headlight((0, 30), (80, 30), (5, 5), 60.0, 0.0, 4.0)
    assert np.argmax(beam.apply(GREY, 1.0)[30]) == 20
    assert np.argmax(beam.apply(GREY, 3.0)[30]) == 60


def test_blinkers_blink() -> None:
    lights = Blinkers(((20, 30), (60, 30)), 2.0, 80.0, 1.0, 9.0)
    lit = [int(lights.apply(GREY, time_s)[30, 20]) for time_s in (0.5, 1.1, 2.0, 2.5, 9.5)]
    assert lit == [120, 200, 120, 200, 120]


def test_clouds_darken_smoothly_in_place_and_time() -> None:
    clouds = Clouds(np.random.default_rng(3), 0.5, 4.0)
    shades = np.stack([clouds.apply(GREY, t / 4) for t in range(1200)]).astype(int)
    assert shades.min() >= 59
    assert shades.max() <= 120
    assert shades.std() > 3
    assert np.abs(np.diff(shades, axis=0)).max() <= 8  # nor a jump where the field turns back


def test_a_glow_is_brightest_in_its_middle_and_not_beyond_white() -> None:
    light = glow((80, 60), (40, 30), (6, 3), 400.0)
    assert light[30, 40] == 255
    assert light[0, 0] == 0


@pytest.mark.parametrize("kind", ["sway", "drift", "zoom"])
@pytest.mark.parametrize("seed", range(4))
def test_a_moving_camera_never_shows_the_canvas_border(kind: str, seed: int) -> None:
    size = (640, 360)
    camera = draw_camera(np.random.default_rng(seed), kind, size, 40.0)
    assert camera.moves
    for time_s in np.linspace(0, 40, 81):
        matrix = camera.matrix(float(time_s))
        left, top = matrix @ (0, 0, 1)
        right, bottom = matrix @ (*size, 1)
        assert left <= 0.01
        assert top <= 0.01
        assert right >= size[0] - 0.01
        assert bottom >= size[1] - 0.01


def test_a_fixed_camera_changes_nothing() -> None:
    camera = Camera((640, 360))
    assert not camera.moves
    assert camera.box((10, 20, 30, 40), 7.0) == (10, 20, 30, 40)
