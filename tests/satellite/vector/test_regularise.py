from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.vector.buildings import contours
from satellite.vector.regularise import regularise, simplify
from tests.satellite.vector.shapes import circle, coverage, ell, iou, off_right, rectangle

SIZE = 72
places = st.floats(35.5, 36.5)
angles = st.floats(0, 180)


def contour(shape: shapely.Polygon, binary: bool = False, blur_px: float = 0) -> shapely.Polygon:
    """The contour of the raster of a shape."""
    raster = coverage([shape], SIZE, SIZE)
    if binary:
        raster = (raster >= 0.5).astype(np.float32)
    if blur_px:
        raster = np.asarray(cv2.GaussianBlur(raster, (0, 0), blur_px), np.float32)
    return max(contours(raster, 0.5), key=lambda polygon: polygon.area)


def farthest(one: shapely.Polygon, other: shapely.Polygon) -> float:
    return float(shapely.hausdorff_distance(one.exterior, other.exterior))


@settings(max_examples=40)
@given(
    x=places,
    y=places,
    width=st.floats(10, 40),
    height=st.floats(10, 40),
    angle=angles,
    binary=st.booleans(),
)
def test_a_turned_rectangle_comes_back(
    x: float, y: float, width: float, height: float, angle: float, binary: bool
) -> None:
    truth = rectangle(x, y, width, height, angle)
    found = regularise(contour(truth, binary=binary))
    assert len(found.exterior.coords) == 5
    assert off_right(found) < 0.01
    edge_px = 0.3 if binary else 0.06  # what whole pixels, or parts of them, can know
    assert found.area == pytest.approx(truth.area, abs=edge_px * truth.length)
    assert farthest(found, truth) < (1.0 if binary else 0.35)


@settings(max_examples=40)
@given(x=places, y=places, width=st.floats(20, 40), height=st.floats(20, 40), angle=angles)
def test_a_turned_l_comes_back(
    x: float, y: float, width: float, height: float, angle: float
) -> None:
    truth = ell(x, y, width, height, angle)
    found = regularise(contour(truth))
    assert len(found.exterior.coords) == 7
    assert off_right(found) < 0.01
    assert found.area == pytest.approx(truth.area, rel=0.03)
    assert farthest(found, truth) < 0.5


@settings(max_examples=40)
@given(width=st.floats(12, 40), height=st.floats(12, 40), angle=angles)
def test_corners_rounded_by_blur_are_restored(width: float, height: float, angle: float) -> None:
    truth = rectangle(36, 36, width, height, angle)
    blurred = contour(truth, blur_px=1.5)
    found = regularise(blurred)
    assert off_right(found) < 0.01
    assert farthest(found, truth) < 0.5 < farthest(blurred, truth)


@pytest.mark.parametrize("radius", [4, 5, 6, 8, 11, 16, 24, 30])
@pytest.mark.parametrize("binary", [False, True])
def test_circles_are_not_squared(radius: float, binary: bool) -> None:
    truth = circle(36.2, 35.7, radius)
    found = regularise(contour(truth, binary=binary))
    assert off_right(found) > 10
    assert len(found.exterior.coords) > (6 if radius < 6 else 8)
    assert iou(found, truth) > 0.9
    assert found.area == pytest.approx(truth.area, rel=0.06)


@pytest.mark.parametrize(
    "corners",
    [
        [(10, 10), (60, 20), (30, 60)],  # a triangle
        [(10, 15), (62, 15), (50, 55), (22, 55)],  # a trapezoid
        [(36 + 20 * np.cos(a), 36 + 20 * np.sin(a)) for a in np.radians(range(0, 360, 72))],
        [(36 + 24 * np.cos(a), 36 + 24 * np.sin(a)) for a in np.radians(range(0, 360, 45))],
    ],
    ids=["triangle", "trapezoid", "pentagon", "octagon"],
)
def test_other_shapes_keep_their_angles(corners: list[tuple[float, float]]) -> None:
    truth = shapely.Polygon(corners)
    found = regularise(contour(truth))
    assert iou(found, truth) > 0.97
    assert farthest(found, truth) < 1.5


def test_a_wing_at_another_angle_is_straight_too() -> None:
    house = rectangle(30, 40, 40, 16).union(rectangle(50, 24, 14, 36, 30))
    assert isinstance(house, shapely.Polygon)
    found = regularise(contour(house))
    assert farthest(found, house) < 1.0
    assert len(found.exterior.coords) - 1 <= len(house.exterior.coords) + 2


def test_a_courtyard_is_squared_too() -> None:
    ring = rectangle(36, 36, 50, 44, 20).difference(rectangle(36, 36, 20, 16, 20))
    assert isinstance(ring, shapely.Polygon)
    found = regularise(contour(ring))
    hole = shapely.Polygon(found.interiors[0])
    assert len(hole.exterior.coords) == 5
    assert off_right(hole) < 0.01
    assert found.area == pytest.approx(ring.area, rel=0.02)


@st.composite
def blobs(draw: st.DrawFn) -> shapely.Polygon:
    """Irregular shapes: smoothed noise, cut at a level."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    noise = np.asarray(
        cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)), (0, 0), draw(st.floats(1, 6))), np.float32
    )
    noise[[0, -1]] = noise[:, [0, -1]] = noise.min()
    return max(contours(noise, 0.0), key=lambda polygon: polygon.area)


@settings(max_examples=30)
@given(shape=blobs(), function=st.sampled_from([regularise, simplify]))
def test_the_result_is_valid_and_near_for_any_shape(
    shape: shapely.Polygon, function: Callable[[shapely.Polygon], shapely.Polygon]
) -> None:
    found = function(shape)
    assert isinstance(found, shapely.Polygon)
    assert found.is_valid
    assert not found.is_empty
    whole, given_whole = shapely.Polygon(found.exterior), shapely.Polygon(shape.exterior)
    assert iou(whole, given_whole) >= 0.9 or given_whole.area < 10
    assert given_whole.buffer(2.9).covers(whole)
    assert whole.buffer(2.1).covers(given_whole)


def test_a_very_long_outline_is_only_simplified() -> None:
    comb = shapely.union_all(
        [shapely.box(0, 0, 900, 4)] + [shapely.box(x, 0, x + 4, 60) for x in range(0, 900, 8)]
    )
    assert isinstance(comb, shapely.Polygon)
    assert comb.exterior.length > 4000
    dense = shapely.segmentize(comb, 1.0)
    assert regularise(dense).equals(simplify(dense))
