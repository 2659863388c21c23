"""Cells of the ground: findings that may show one thing share a cell, for the search and the lock.

The earth is divided into squares of ``_CELL_DEG`` degrees. A located finding is stored under the
cell of its middle, and is searched in all cells that its reach touches: one or two, seldom four.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from cv_engine.cases.database.prepared import Prepared
from cv_engine.cases.filing.overlap import LARGEST_REACH_M, is_located
from cv_engine.cases.filing.site import is_site
from cv_engine.finding import Place
from zones.plane import widened

_CELL_DEG = 0.002  # 222 m from south to north: twice the largest reach
_COLUMNS = round(360 / _CELL_DEG)
_NUMBERS = sa.func.unnest(sa.bindparam("numbers", None, ARRAY(sa.BigInteger)))
# Filing's statements have one plan, which need not be made again for every finding.
_LOCK = Prepared(
    sa.select(
        sa.func.set_config("plan_cache_mode", "force_generic_plan", sa.true()),
        sa.func.count(sa.func.pg_advisory_xact_lock(_NUMBERS.column_valued("number"))),
    )
)


def cell_of(place: Place) -> int | None:
    """The cell of a place's middle; ``None`` where the place does not locate a thing."""
    middle = _middle(place)
    return None if middle is None else _cell(*map(math.floor, _steps(*middle)))


def cells_near(place: Place) -> list[int]:
    """All cells in which another finding of the same thing can have its middle, sorted."""
    middle = _middle(place)
    if middle is None:
        return []
    west, south, east, north = widened((*middle, *middle), _reach_m(place))
    left, bottom = map(math.floor, _steps(west, south))
    right, top = map(math.floor, _steps(east, north))
    columns, rows = range(left, right + 1), range(bottom, top + 1)
    return sorted({_cell(column, row) for column in columns for row in rows})


def lock_numbers(kind: str, source: str, zone: str, place: Place) -> set[int]:
    """Numbers of the locks that keep others from filing the same thing.

    They stand for the camera's zone and for the cells that the place reaches: two findings that can
    show one thing have a number in common.
    """
    names: list[Sequence[Any]] = [(source, "" if is_site(place) else zone, kind)]
    names += [(kind, cell) for cell in cells_near(place)]
    return {_number(name) for name in names}


def lock_on(numbers: Iterable[int]) -> tuple[Prepared, dict[str, Any]]:
    """PostgreSQL's statement that takes locks until the transaction ends, and its values.

    They are taken in one order, so that no two transactions wait for each other.
    """
    return _LOCK, {"numbers": sorted(numbers)}


def _number(name: Sequence[Any]) -> int:
    text = "\0".join(map(str, name)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], signed=True)


def _middle(place: Place) -> tuple[float, float] | None:
    """Longitude and latitude of a place that locates a thing, other than a site."""
    geometry = place.geometry
    if geometry is None or not is_located(place) or is_site(place):
        return None
    if geometry["type"] == "Point":
        return geometry["coordinates"][0], geometry["coordinates"][1]
    from shapely.geometry import shape

    middle = shape(dict(geometry)).centroid
    return middle.x, middle.y


def _reach_m(place: Place) -> float:
    geometry = place.geometry or {}
    if geometry.get("type") == "Point":
        return min(place.accuracy_m or 0.0, LARGEST_REACH_M)
    return LARGEST_REACH_M


def _steps(lon: float, lat: float) -> tuple[float, float]:
    return (lon + 180) / _CELL_DEG, (lat + 90) / _CELL_DEG


def _cell(column: int, row: int) -> int:
    return row * _COLUMNS + column % _COLUMNS
