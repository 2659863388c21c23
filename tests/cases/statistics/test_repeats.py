"""Repeat places: the same kind, near, several times."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from math import cos, radians
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cv_engine.cases import Queue, open_queue
from cv_engine.cases.database.store import Store
from cv_engine.cases.statistics import Period, RepeatPlace, repeat_places
from cv_engine.cases.statistics.repeats import _groups
from tests.cases.made import located

_LAT = 29.87
_M = 1 / 111_195  # degrees of latitude


@pytest.fixture
def queue(where: str) -> Any:
    with open_queue(where, clock=lambda: datetime(2026, 11, 15, tzinfo=UTC)) as opened:
        yield opened


def _file(queue: Queue, east_m: float, north_m: float = 0, kind: str = "clutter") -> int:
    """File a case that no other one joins."""
    began = 10_000.0 * queue.count()  # longer than goods are waited for
    lon = 121.5 + east_m * _M / cos(radians(_LAT))
    return queue.file(located(lon, _LAT + north_m * _M, began, began, kind=kind)).case_id


def _places(where: str, period: str = "2026-11", **given: Any) -> list[RepeatPlace]:
    with closing(Store(where)) as store, store.snapshot() as connection:
        return repeat_places(connection, Period.parse(period, ZoneInfo("UTC")), **given)


def test_three_cases_of_one_kind_within_twenty_metres_are_a_repeat_place(
    queue: Queue, where: str
) -> None:
    for east in (0, 15, -15, 500, 510):
        _file(queue, east)
    (place,) = _places(where)
    assert (place.kind, place.count, place.cases) == ("clutter", 3, (1, 2, 3))
    assert place.longitude == pytest.approx(121.5, abs=1e-6)
    assert place.latitude == pytest.approx(_LAT, abs=1e-6)
    assert place.radius_m == pytest.approx(15, abs=0.1)


def test_another_kind_another_period_and_rejected_cases_do_not_count(
    queue: Queue, where: str
) -> None:
    for kind in ("clutter", "clutter", "clutter", "street_vendor"):
        _file(queue, 0, kind=kind)
    assert len(_places(where)) == 1
    assert _places(where, "2026-10") == []
    queue.reject(2, "Li", "not there")
    assert _places(where) == []
    assert _places(where, least=2)[0].cases == (1, 3)


def test_a_row_of_cases_along_a_street_is_no_single_place(queue: Queue, where: str) -> None:
    for number in range(10):
        _file(queue, 15 * number)
    places = _places(where, least=2)
    assert len(places) > 1
    assert all(place.radius_m <= 20 for place in places)
    numbers = [number for place in places for number in place.cases]
    assert len(numbers) == len(set(numbers))


_points = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=40)


@given(points=_points, least=st.integers(2, 5))
def test_places_are_those_of_a_plain_search(points: list[tuple[int, int]], least: int) -> None:
    at = np.array([(x, y, 0) for x, y in points], dtype=float)
    expected, free = [], set(range(len(at)))
    while True:
        near = {
            heart: sorted(i for i in free if np.linalg.norm(at[i] - at[heart]) <= 10)
            for heart in sorted(free)
        }
        best = max(near, key=lambda heart: (len(near[heart]), -heart), default=None)
        if best is None or len(near[best]) < least:
            break
        expected.append(near[best])
        free -= set(near[best])
    assert list(_groups(at, 10, least)) == expected
