"""Where a view lies in a picture: maps of points and boxes, and the view shown as it was."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cv_engine.scene.pose import Pose
from tests.tracking.scenes import HEIGHT, WIDTH, texture

SIZE = (WIDTH, HEIGHT)
OUTSIDE = 7.0  # no grey level of the view
VIEW = texture(3, *SIZE, 60, 200, grain=14).astype(np.float32)

Points = NDArray[np.float64]


def _similarity(zoom: float, turn: float, dx: float, dy: float) -> Pose:
    return Pose(zoom * math.cos(turn), zoom * math.sin(turn), dx, dy)


def _between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


#: Farther than a camera sways.
POSES = st.builds(
    _similarity,
    zoom=_between(0.85, 1.15),
    turn=_between(-0.1, 0.1),
    dx=_between(-200, 200),
    dy=_between(-200, 200),
)
BOXES = st.lists(
    st.builds(
        lambda x, y, width, height: (x, y, x + width, y + height),
        *(_between(-50, 2000), _between(-50, 1200), _between(1, 600), _between(1, 600)),
    ),
    max_size=5,
).map(lambda boxes: np.array(boxes, np.float32).reshape(-1, 4))
POINTS = np.array([(0, 0), (1920, 0), (0, 1080), (640, 360)], np.float64)


def _moved(pose: Pose, points: Points = POINTS) -> Points:
    return np.asarray(points @ pose.matrix[:, :2].T + pose.matrix[:, 2])


@given(POSES)
def test_the_inverse_leads_back(pose: Pose) -> None:
    assert _moved(pose.inverse(), _moved(pose)) == pytest.approx(POINTS, abs=1e-6)
    for both in (pose.after(pose.inverse()), pose.inverse().after(pose)):
        assert both.displacement((1920, 1080)) < 1e-6


@given(POSES, POSES)
def test_one_map_after_another_is_both_in_that_order(first: Pose, second: Pose) -> None:
    both = second.after(first)
    assert _moved(both) == pytest.approx(_moved(second, _moved(first)), abs=1e-6)


@given(POSES, _between(0.1, 8))
def test_a_larger_picture_has_the_same_map_in_its_own_pixels(pose: Pose, factor: float) -> None:
    larger = pose.scaled(factor)
    assert _moved(larger, factor * POINTS) == pytest.approx(factor * _moved(pose), abs=1e-6)


@given(POSES, BOXES)
def test_boxes_return_through_the_inverse(pose: Pose, boxes: NDArray[np.float32]) -> None:
    there = pose.boxes(boxes)
    assert there.shape == boxes.shape
    assert there.dtype == np.float32
    assert pose.inverse().boxes(there) == pytest.approx(boxes, abs=1e-2)


@given(POSES, BOXES)
def test_a_box_keeps_its_middle_and_its_sides_are_zoomed(
    pose: Pose, boxes: NDArray[np.float32]
) -> None:
    there = pose.boxes(boxes).astype(np.float64)
    middles = (boxes[:, :2] + boxes[:, 2:]).astype(np.float64) / 2
    assert (there[:, :2] + there[:, 2:]) / 2 == pytest.approx(_moved(pose, middles), abs=1e-2)
    zoom = math.hypot(pose.a, pose.b)
    sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    assert there[:, 2:] - there[:, :2] == pytest.approx(zoom * sides, abs=1e-2)


@given(POSES)
def test_the_displacement_is_that_of_the_farthest_corner(pose: Pose) -> None:
    corners = np.array([(0, 0), (1920, 0), (0, 1080), (1920, 1080)], np.float64)
    ways = np.hypot(*(_moved(pose, corners) - corners).T)
    assert pose.displacement((1920, 1080)) == pytest.approx(ways.max(), abs=1e-6)


def test_nothing_moves_under_the_identity() -> None:
    boxes = np.array([(1, 2, 3, 4)], np.float32)
    assert Pose().is_identity
    assert Pose().boxes(boxes) is boxes
    assert Pose().displacement(SIZE) == 0.0
    assert not Pose(dx=0.1).is_identity


class TestUnwarped:
    """The view as the first picture would have shown it."""

    def test_the_identity_gives_the_picture_itself(self) -> None:
        picture = VIEW.astype(np.uint8)
        assert Pose().unwarped(picture, np.full_like(VIEW, OUTSIDE)) is picture

    @given(
        st.builds(
            _similarity,
            zoom=_between(0.9, 1.1),
            turn=_between(-0.05, 0.05),
            dx=_between(-40, 40),
            dy=_between(-40, 40),
        )
    )
    def test_it_is_the_view_where_the_picture_reaches_and_the_rest_elsewhere(
        self, pose: Pose
    ) -> None:
        picture = cv2.warpAffine(VIEW, pose.matrix, SIZE, borderMode=cv2.BORDER_REFLECT)
        shown = pose.unwarped(
            np.asarray(picture.round(), np.uint8), np.full_like(VIEW, OUTSIDE)
        ).astype(np.float32)
        y, x = np.indices(VIEW.shape)
        at = _moved(pose, np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64))
        beyond = np.maximum(-at, at - (WIDTH - 1, HEIGHT - 1)).max(axis=1).reshape(VIEW.shape)
        # Between them, over a pixel, it is a mixture.
        reached = beyond < -1.0
        assert np.all(shown[beyond > 1.0] == OUTSIDE)
        assert np.all(shown[reached] != OUTSIDE)
        # Moved twice by interpolation, the picture is a little blurred.
        assert np.abs(shown - VIEW)[reached].mean() < 3.0

    def test_what_it_is_given_stays_as_it_was(self) -> None:
        picture, outside = VIEW.astype(np.uint8), np.full_like(VIEW, OUTSIDE)
        before = picture.copy()
        Pose(dx=5.0).unwarped(picture, outside)
        assert np.array_equal(picture, before)
        assert np.all(outside == OUTSIDE)
