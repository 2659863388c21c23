"""Repeat places: the same kind of violation, within some metres, again and again in a period."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.tables import cases
from cv_engine.cases.lifecycle import State
from cv_engine.cases.statistics.period import Period
from cv_engine.cases.statistics.queries import Selection

#: Default radius in metres: the width of a street with its pavements; two places closer than the
#: accuracy of a camera's ground control points and a passer-by's phone are not distinct.
RADIUS_M = 20.0
#: Default least number of cases: once may be chance, twice a coincidence.
LEAST_CASES = 3

_NO_PROBLEM = (State.REJECTED.value, State.WITHDRAWN.value, State.MERGED.value)
_EARTH_M = 6_371_008.8  # mean radius, IUGG
_Degrees = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class RepeatPlace:
    """A place with several cases of one kind.

    Attributes:
        kind: The violation's name.
        longitude: Of the middle of the cases, in degrees, WGS 84.
        latitude: Of the middle of the cases.
        radius_m: Distance of the farthest case from the middle, in metres.
        cases: Numbers of the cases, ascending.
    """

    kind: str
    longitude: float
    latitude: float
    radius_m: float
    cases: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many cases the place has."""
        return len(self.cases)


def repeat_places(
    connection: Connection,
    period: Period,
    selection: Selection | None = None,
    *,
    radius_m: float = RADIUS_M,
    least: int = LEAST_CASES,
) -> list[RepeatPlace]:
    """The places with several cases of one kind that were filed in the queue in a period.

    The case with the most others within the radius is the heart of the first place, and all of
    these cases belong to it; then the same with the rest. So no place is wider than twice the
    radius, however long the row of cases along a street, and no case belongs to two places.

    Rejected, withdrawn and merged cases do not count, nor do cases without a place on the map.

    Args:
        connection: Connection to the queue.
        period: The period.
        selection: The cases that count; all if ``None``.
        radius_m: Largest distance from the heart, in metres.
        least: Least number of cases.

    Returns:
        The places, those with the most cases first.
    """
    found: list[RepeatPlace] = []
    for kind, (ids, degrees) in _points(connection, period, selection or Selection()).items():
        for members in _groups(_on_sphere(degrees), radius_m, least):
            found.append(_place(kind, ids[members], degrees[members]))
    return sorted(found, key=lambda place: (-place.count, place.kind, place.cases))


def _points(
    connection: Connection, period: Period, chosen: Selection
) -> dict[str, tuple[np.ndarray[Any, np.dtype[np.int64]], _Degrees]]:
    """Numbers, ascending, and middles (longitude, latitude) of the cases, by kind."""
    columns = cases.c
    statement = sa.select(
        columns.kind,
        columns.id,
        (columns.min_lon + columns.max_lon) / 2,
        (columns.min_lat + columns.max_lat) / 2,
    ).where(
        columns.filed_at >= period.start,
        columns.filed_at < period.end,
        columns.state.not_in(_NO_PROBLEM),
        columns.min_lon.is_not(None),
        *chosen.conditions(),
    )
    rows: dict[str, list[Any]] = defaultdict(list)
    for kind, *point in connection.execute(statement):
        rows[kind].append(point)
    tables = {kind: np.array(sorted(points)) for kind, points in sorted(rows.items())}
    return {kind: (table[:, 0].astype(np.int64), table[:, 1:]) for kind, table in tables.items()}


def _groups(points: _Degrees, radius_m: float, least: int) -> Iterator[list[int]]:
    """Indices of the points of each place, the place with the most points first.

    Args:
        points: Positions in space, in metres.
        radius_m: Largest distance from the heart of a place.
        least: Least number of points.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    counts = tree.query_ball_point(points, radius_m, return_length=True)
    # Lazily: a count is an upper bound, and is corrected when its point comes to the top.
    waiting = [(-int(count), index) for index, count in enumerate(counts) if count >= least]
    heapq.heapify(waiting)
    taken = np.zeros(len(points), dtype=bool)
    while waiting:
        bound, heart = heapq.heappop(waiting)
        if taken[heart]:
            continue
        free = [
            index for index in tree.query_ball_point(points[heart], radius_m) if not taken[index]
        ]
        if len(free) < least:
            continue
        if len(free) < -bound:
            heapq.heappush(waiting, (-len(free), heart))
            continue
        taken[free] = True
        yield sorted(free)


def _on_sphere(degrees: _Degrees) -> _Degrees:
    """Positions in space, in metres: over some metres a chord is as long as its arc."""
    lon, lat = np.radians(degrees).T
    return _EARTH_M * np.column_stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )


def _place(kind: str, ids: np.ndarray[Any, np.dtype[np.int64]], degrees: _Degrees) -> RepeatPlace:
    middle = degrees.mean(axis=0)
    apart = np.linalg.norm(_on_sphere(degrees) - _on_sphere(middle[None, :]), axis=1)
    numbers = tuple(int(number) for number in ids)
    return RepeatPlace(kind, float(middle[0]), float(middle[1]), float(apart.max()), numbers)
