from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from tests.zones.scene import EIGHT_PIXELS, FOUR_PIXELS, STREET, control_points
from zones.camera import Camera, GroundControlPoint
from zones.errors import ZoneError

Points = tuple[GroundControlPoint, ...]


def _move(points: Points, index: int, **changes: float) -> Points:
    changed = dataclasses.replace(points[index], **changes)
    return (*points[:index], changed, *points[index + 1 :])


def _swap_places(points: Points, i: int, j: int) -> Points:
    points = _move(_move(points, i, x=points[j].x, y=points[j].y), j, x=points[i].x, y=points[i].y)
    return points


FOUR = control_points(STREET, FOUR_PIXELS)
EIGHT = control_points(STREET, EIGHT_PIXELS)
LINE = control_points(STREET, np.array([[x, 500.0] for x in (100, 300, 700, 900, 1100)]))
LINE_AND_ONE = control_points(
    STREET, np.array([[100.0, 500], [300, 500], [700, 500], [900, 500], [640, 700]])
)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (FOUR[:3], "3 given, at least 4 are needed"),
        (LINE, "all points lie on one line in the picture"),
        (LINE_AND_ONE, "points 1, 2, 3 and 4 lie on one line in the picture"),
        (LINE_AND_ONE[1:], "points 1, 2 and 3 lie on one line in the picture"),
        ((*FOUR, FOUR[1]), "points 2 and 5 are the same in the picture"),
        (_move(FOUR, 2, lat=FOUR[1].lat, lon=FOUR[1].lon), "points 2 and 3 are the same on the"),
        (_move(FOUR, 0, x=float("nan")), "point 1: a value is not a finite number"),
        (_move(FOUR, 1, lat=121.5, lon=29.8), "point 2: latitude 121.5.*exchange latitude"),
        (_move(FOUR, 3, lat=-29.8683), "point 4 lies .* km from the others"),
        (_swap_places(FOUR, 0, 1), "the horizon would run between them"),
        (tuple(_move((p,), 0, y=720 - p.y)[0] for p in FOUR), "the ground is mirrored"),
        (
            _move(EIGHT, 2, lon=EIGHT[2].lon + 1.5e-4),
            "point 3 lies .* m from its place by the other points",
        ),
        (_move(EIGHT, 5, lat=EIGHT[5].lat + 1e-4), "m root mean square error.*check point 6 first"),
    ],
)
def test_wrong_points_are_named_in_the_error(points: Points, message: str) -> None:
    with pytest.raises(ZoneError, match=message) as caught:
        Camera("street", None, points)
    assert str(caught.value).startswith("camera street: ground_control_points")


@pytest.mark.parametrize(
    ("count", "wrong"), [(count, wrong) for count in (6, 8) for wrong in range(count)]
)
def test_the_worst_point_is_named(count: int, wrong: int) -> None:
    points = _move(EIGHT[:count], wrong, lon=EIGHT[wrong].lon + 2.5e-4)
    with pytest.raises(ZoneError, match=rf"check point {wrong + 1}\b"):
        Camera("street", None, points)


@pytest.mark.parametrize(
    "change", [lambda p: p, lambda p: tuple(reversed(p)), lambda p: p[2:] + p[:2]]
)
def test_order_does_not_matter(change: Callable[[Points], Points]) -> None:
    found = Camera("street", None, change(EIGHT)).locate(640, 480)
    same = Camera("street", None, EIGHT).locate(640, 480)
    assert found.lon == pytest.approx(same.lon, abs=1e-10)
    assert found.accuracy_m == pytest.approx(same.accuracy_m, rel=1e-6)


def test_a_higher_limit_accepts_worse_points() -> None:
    points = _move(EIGHT, 5, lat=EIGHT[5].lat + 1e-4)
    camera = Camera("street", None, points, max_fit_error_m=20)
    assert camera.fit_error_m is not None
    assert 2 < camera.fit_error_m < 20


def test_more_points_than_anyone_surveys_are_refused_at_once() -> None:
    many = tuple(EIGHT[i % 8] for i in range(100_000))
    with pytest.raises(ZoneError, match="100000 given, at most 200 are used"):
        Camera("street", None, many)
