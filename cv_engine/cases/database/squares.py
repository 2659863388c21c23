"""Squares of the ground: the index that finds the newest cases of a state in a box.

The earth is divided into squares of a hundredth of a degree. An index by square, state and time
holds the cases of every square in the order of the lists, with their bounds. So a list merges a few
squares and reads no more cases than it shows, however many years of them lie in or beside the box.
"""

from __future__ import annotations

from math import floor

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_PER_DEGREE = 100  # squares of 1.1 km from south to north: a map's window is some of them
_COLUMNS = 360 * _PER_DEGREE
#: A case that is wider than this, in degrees, is in the square ``_WIDE``; others are in that of
#: their south-west corner, and reach at most this far beyond it. 250 m: most building sites.
_REACH_DEG = 0.0025
_WIDE = -1
#: More squares than these are slower than going through the cases by time.
_MOST = 400


def square_sql(dialect: str) -> str:
    """The square of a row of table ``cases`` as an expression, exactly that of the index.

    Args:
        dialect: Name of SQLAlchemy's dialect. SQLite has no ``floor`` everywhere, and PostgreSQL's
            CAST rounds.
    """
    whole = "floor({})::integer" if dialect == "postgresql" else "CAST({} AS INTEGER)"
    row, column = (
        whole.format(f"({name} + {offset}) * {_PER_DEGREE}")
        for name, offset in (("min_lat", 90), ("min_lon", 180))
    )
    wide = " OR ".join(f"max_{axis} - min_{axis} > {_REACH_DEG}" for axis in ("lon", "lat"))
    return f"CASE WHEN {wide} THEN {_WIDE} ELSE {row} * {_COLUMNS} + {column} END"


def square(connection: Connection) -> sa.ColumnElement[int]:
    """The square of a row of table ``cases``, for a condition that uses the index."""
    return sa.literal_column(square_sql(connection.dialect.name), sa.Integer)


def squares_near(bbox: tuple[float, float, float, float]) -> list[int] | None:
    """The squares in which the cases are that may touch a box.

    Args:
        bbox: ``(west, south, east, north)`` in degrees.

    Returns:
        The squares; ``None`` if they are too many to be worth while.
    """
    west, south, east, north = bbox
    left, right = _step(west - _REACH_DEG, 180), _step(east, 180)
    bottom, top = _step(south - _REACH_DEG, 90), _step(north, 90)
    if (right - left + 1) * (top - bottom + 1) > _MOST:
        return None
    near = (
        row * _COLUMNS + column
        for row in range(bottom, top + 1)
        for column in range(left, right + 1)
    )
    return [_WIDE, *near]


def _step(degrees: float, offset: int) -> int:
    return floor((degrees + offset) * _PER_DEGREE)
