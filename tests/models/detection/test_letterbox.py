from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection.letterbox import STRIDE_PX, Fit, fit, smallest_input

sides = st.integers(1, 4000)
fits = st.sampled_from(["centre", "corner", "stretch"])


@given(sides, sides, fits, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_boxes_map_to_the_input_and_back(
    width: int, height: int, how: Fit, shares: list[float]
) -> None:
    box = np.array([shares]) * [width, height, width, height]
    placed = fit(width, height, 640, 384, how)
    inside = placed.to_input(box)
    assert (inside >= -1e-3).all() and (inside <= [640.001, 384.001] * 2).all()
    tolerance = max(width / placed.scaled_width, height / placed.scaled_height) * 1e-3
    np.testing.assert_allclose(placed.to_image(inside), box, atol=tolerance)


@given(sides, sides)
def test_smallest_input_is_a_multiple_of_the_stride_and_holds_the_image(
    width: int, height: int
) -> None:
    input_width, input_height = smallest_input(width, height, 640)
    assert input_width % STRIDE_PX == input_height % STRIDE_PX == 0
    assert max(input_width, input_height) == 640
    free = fit(width, height, 640, 640, "centre")
    within = fit(width, height, input_width, input_height, "centre")
    assert (free.scaled_width, free.scaled_height) == (within.scaled_width, within.scaled_height)
    assert input_height - within.scaled_height < STRIDE_PX
    assert input_width - within.scaled_width < STRIDE_PX


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, (640, 384)),
        (1280, 720, (640, 384)),
        (640, 480, (640, 480)),
        (1080, 1920, (384, 640)),
        (500, 500, (640, 640)),
        (4000, 1, (640, 32)),
    ],
)
def test_smallest_input_of_common_frames(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    assert smallest_input(width, height, 640) == expected


@pytest.mark.parametrize(("how", "row"), [("centre", 140), ("corner", 0)])
def test_place_puts_the_image_on_grey(how: Fit, row: int) -> None:
    image = np.full((720, 1280, 3), 7, np.uint8)
    canvas = fit(1280, 720, 640, 640, how).place(image)
    assert canvas.shape == (640, 640, 3)
    assert (canvas[row : row + 360] == 7).all()
    assert (np.delete(canvas, np.s_[row : row + 360], axis=0) == 114).all()


def test_boxes_are_clipped_to_the_image() -> None:
    placed = fit(1280, 720, 640, 640, "centre")
    (box,) = placed.to_image(np.array([[-5.0, 0.0, 700.0, 640.0]]))
    assert box.tolist() == [0, 0, 1280, 720]
