"""Filters: which cases of the queue are wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from cv_engine.cases.database.column_types import UtcTime
from cv_engine.cases.database.squares import square, squares_near
from cv_engine.cases.database.tables import (
    SPANS_SINCE,
    case_spans,
    cases,
    places,
)
from cv_engine.cases.errors import QueueError
from cv_engine.cases.lifecycle import State
from cv_engine.cases.place_text import folded

#: Up to this number of cases in a span, SQLite starts from these cases; if there are more, going
#: through the cases by time until the page is full is quicker.
_NARROW = 5_000

#: Up to this number of parts are merged; SQLite allows 500.
_MOST_MERGED = 200

#: Up to this number of places, a search for text starts from the places.
_FEW_PLACES = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """Properties of the wanted cases; a field left at ``None`` does not restrict them.

    Cases are ordered newest first: by start, then by number.

    Attributes:
        kind: The violation's name.
        zone: The zone's name.
        source: The camera, satellite area or sensor.
        state: State of the case.
        department: Id of the department that has to act.
        team: Name of the team that has to act.
        officer: Name of the person who has to act.
        area: Name of the area of responsibility.
        areas: Names of areas: only cases in one of these.
        overdue: Only cases whose stage was due before this time (timezone-aware), such as now.
        since: Only cases still seen at or after this time (timezone-aware).
        until: Only cases that had begun by this time (timezone-aware).
        bbox: ``(west, south, east, north)`` in degrees, WGS 84: only cases that touch the box.
            Cases without a geometry lie in no box.
        text: Words of the place, in any order: only cases whose source, zone, area or address
            holds each of them. Upper and lower case are equal.
        limit: Largest number of cases.
        offset: Number of the newest cases to skip.
        after: Start and number of a case: only cases that follow it in the order. Unlike an offset,
            what is filed meanwhile moves no case to another page.
    """

    kind: str | None = None
    zone: str | None = None
    source: str | None = None
    state: State | None = None
    department: str | None = None
    team: str | None = None
    officer: str | None = None
    area: str | None = None
    areas: frozenset[str] | None = None
    overdue: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    bbox: tuple[float, float, float, float] | None = None
    text: str | None = None
    limit: int | None = None
    offset: int = 0
    after: tuple[datetime, int] | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until", "overdue"):
            at = getattr(self, name)
            if at is not None and at.tzinfo is None:
                raise QueueError(f"{name} has no time zone: write it as 2026-05-01T08:00:00+08:00")
        if self.since is not None and self.until is not None and self.until < self.since:
            raise QueueError("until lies before since: no case can match")
        if self.text is not None and not self.text.split():
            raise QueueError("the text of the place is empty: name a street, a camera or a zone")
        if self.limit is not None and self.limit < 0:
            raise QueueError(f"limit {self.limit} is below 0")
        if self.offset < 0:
            raise QueueError(f"offset {self.offset} is below 0")
        if self.bbox is not None:
            _check_bbox(self.bbox)


def _check_bbox(bbox: tuple[float, float, float, float]) -> None:
    west, south, east, north = bbox
    if not all(math.isfinite(value) for value in bbox):
        raise QueueError(f"bbox {bbox} has a value that is not a number")
    if west > east or south > north:
        raise QueueError(
            f"bbox {bbox} is empty: the order is west, south, east, north "
            "(longitude, latitude, longitude, latitude)"
        )


def select_cases(connection: Connection, wanted: Filter) -> sa.Select[Any]:
    """The statement that selects a filter's cases, newest first, on this connection's database."""
    statement = _in_order(connection, wanted)
    if wanted.limit is not None:
        statement = statement.limit(wanted.limit)
    if wanted.offset:
        statement = statement.offset(wanted.offset)
    return statement


def _in_order(connection: Connection, wanted: Filter) -> sa.Select[Any]:
    """The statement without the page."""
    conditions = _conditions(connection, wanted)
    near = None if wanted.bbox is None else squares_near(wanted.bbox)
    states = list(State) if wanted.state is None else [wanted.state]
    if near is None or len(near) * len(states) > _MOST_MERGED:
        selected = sa.select(cases).where(*conditions)
        return selected.order_by(cases.c.began.desc(), cases.c.id.desc())
    most = None if wanted.limit is None else wanted.limit + wanted.offset
    if connection.dialect.name == "postgresql":
        found = _newest_of_each(connection, conditions, near, states, most)
    else:
        found = _merged(connection, conditions, near, states, most)
    return sa.select(found).order_by(found.c.began.desc(), found.c.id.desc())


def _newest_of_each(
    connection: Connection,
    conditions: list[sa.ColumnElement[bool]],
    squares: list[int],
    states: list[State],
    most: int | None,
) -> sa.Subquery:
    """The newest cases of each square and state, for PostgreSQL."""
    numbers = (
        sa.func.unnest(sa.cast(squares, ARRAY(sa.Integer))).table_valued("number").render_derived()
    )
    names = sa.func.unnest(sa.cast([each.value for each in states], ARRAY(sa.Text)))
    named = names.table_valued("state").render_derived()
    newest = (
        sa.select(cases)
        .where(*conditions)
        .where(square(connection) == numbers.c.number, cases.c.state == named.c.state)
        .order_by(cases.c.began.desc(), cases.c.id.desc())
        .limit(most)
        .correlate(numbers, named)
        .lateral("newest")
    )
    parts = numbers.join(named, sa.true()).join(newest, sa.true())
    return sa.select(newest).select_from(parts).subquery("found")


def _merged(
    connection: Connection,
    conditions: list[sa.ColumnElement[bool]],
    squares: list[int],
    states: list[State],
    most: int | None,
) -> sa.Subquery:
    """The newest cases of all squares and states, for SQLite.

    SQLite reads the parts lazily, each in the order of the index, and merges them.
    """
    selected, of = sa.select(cases).where(*conditions), square(connection)
    parts = (
        selected.where(of == number, cases.c.state == state.value)
        for number in squares
        for state in states
    )
    merged = sa.union_all(*parts).order_by(sa.desc("began"), sa.desc("id"))
    return merged.limit(most).subquery("found")


def count_cases(connection: Connection, wanted: Filter) -> int:
    """How many cases the filter matches, whatever its limit and offset."""
    conditions = _conditions(connection, wanted)
    if wanted.bbox is not None:
        conditions += box_conditions(connection, wanted.bbox)
    statement = sa.select(sa.func.count()).select_from(cases).where(*conditions)
    return int(connection.execute(statement).scalar_one())


def _conditions(connection: Connection, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    columns = cases.c
    found: list[sa.ColumnElement[bool]] = []
    for column, value in (
        (columns.kind, wanted.kind),
        (columns.zone, wanted.zone),
        (columns.source, wanted.source),
        (columns.state, None if wanted.state is None else wanted.state.value),
        (columns.department, wanted.department),
        (columns.team, wanted.team),
        (columns.officer, wanted.officer),
        (columns.area, wanted.area),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.areas is not None:
        found.append(columns.area.in_(sorted(wanted.areas)))
    if wanted.after is not None:
        found.append(_follows(*wanted.after))
    if wanted.overdue is not None:
        found.append(columns.due_at < wanted.overdue)
    found += _time_conditions(connection, wanted.since, wanted.until)
    if wanted.bbox is not None:
        found += _touches(wanted.bbox)
    if wanted.text is not None:
        found.append(_text_condition(connection, wanted.text))
    return found


def _follows(began: datetime, number: int) -> sa.ColumnElement[bool]:
    """The condition that a case follows another one in the order, as a range of the indexes."""
    place = sa.tuple_(sa.literal(began, UtcTime), sa.literal(number, sa.BigInteger))
    return sa.tuple_(cases.c.began, cases.c.id) < place


def _text_condition(connection: Connection, text: str) -> sa.ColumnElement[bool]:
    """The condition that a case's place holds every word.

    Where few places do, the search starts from these; else from the newest cases, since many
    are at such a place.
    """
    position = sa.func.strpos if connection.dialect.name == "postgresql" else sa.func.instr
    words = folded(text).split()
    matching = sa.select(places.c.id).where(*(position(places.c.text, word) > 0 for word in words))
    few = connection.execute(matching.limit(_FEW_PLACES + 1)).scalars().all()
    if len(few) <= _FEW_PLACES:
        return cases.c.place_id.in_(few)
    return sa.type_coerce(cases.c.place_id + 0, sa.Integer).in_(matching)  # + 0: not by the index


def _time_conditions(
    connection: Connection, since: datetime | None, until: datetime | None
) -> list[sa.ColumnElement[bool]]:
    columns = cases.c
    exact: list[sa.ColumnElement[bool]] = []
    if until is not None:
        exact.append(columns.began <= until)
    if since is None:  # the index by time suffices
        return exact
    exact.append(columns.observed >= since)
    if connection.dialect.name == "postgresql":
        spans = sa.func.tstzrange(columns.began, columns.observed, "[]")
        return [*exact, spans.bool_op("&&")(sa.func.tstzrange(since, until, "[]"))]
    near = sa.select(case_spans.c.id).where(case_spans.c.observed_s >= _seconds(since))
    if until is not None:
        near = near.where(case_spans.c.began_s <= _seconds(until))
    return exact + _preselected(connection, near)


def _seconds(at: datetime) -> float:
    return (at - SPANS_SINCE).total_seconds()


def box_conditions(
    connection: Connection, bbox: tuple[float, float, float, float]
) -> list[sa.ColumnElement[bool]]:
    """The conditions that a case touches a box, and is found by its square.

    Args:
        connection: Connection to the store.
        bbox: ``(west, south, east, north)`` in degrees.
    """
    near = squares_near(bbox)
    return [*_touches(bbox), *([] if near is None else [square(connection).in_(near)])]


def _touches(bbox: tuple[float, float, float, float]) -> list[sa.ColumnElement[bool]]:
    west, south, east, north = bbox
    columns = cases.c
    return [
        columns.min_lon <= east,
        columns.max_lon >= west,
        columns.min_lat <= north,
        columns.max_lat >= south,
    ]


def _preselected(connection: Connection, near: sa.Select[Any]) -> list[sa.ColumnElement[bool]]:
    """The condition that a case is among those that an R*Tree selects, if these are few."""
    some = near.limit(_NARROW + 1).subquery()
    count = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return [cases.c.id.in_(near)] if count <= _NARROW else []
