"""The queries behind the figures, on SQLite and PostgreSQL.

The counts of all cases come from the tallies (see :mod:`cv_engine.cases.database.tallies`). The
cases themselves are read for what the tallies lack: each of the four times of a case has its index,
and each query reads one range of one index.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.column_types import sqlite_time
from cv_engine.cases.database.counts import COUNTS, Count
from cv_engine.cases.database.tables import cases, tallies
from cv_engine.cases.database.tallies import BUCKETS, HOUR_S
from cv_engine.cases.statistics.figures import Figures
from cv_engine.cases.statistics.period import Period
from cv_engine.figure_rows import By

Value = str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases that count; a field left at ``None`` does not restrict them.

    Attributes:
        kind: The violation's name.
        department: Department that the case is dispatched to.
        zone: The zone's name.
        area: Area of responsibility, such as a street.
    """

    kind: str | None = None
    department: str | None = None
    zone: str | None = None
    area: str | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The selection as conditions on table ``cases``."""
        given = {name: getattr(self, name) for name in ("kind", "department", "zone", "area")}
        return [cases.c[name] == value for name, value in given.items() if value is not None]


#: The columns of table ``cases`` that name a row; a class is a kind (see the taxonomy).
_COLUMNS: Mapping[By, sa.Column[str]] = {
    By.CLASS: cases.c.kind,
    **{by: cases.c[by.value] for by in By if by.value in cases.c},
}


def figures(
    connection: Connection,
    period: Period,
    by: By,
    selection: Selection | None = None,
    *,
    times: bool = True,
) -> dict[Value, Figures]:
    """The figures of a period, a row for each class, department, day, ...

    Args:
        connection: Connection to the queue.
        period: The period.
        by: What the rows are; for places see
            :func:`~cv_engine.cases.statistics.repeats.repeat_places`.
        selection: The cases that count; all if ``None``.
        times: Whether the median times are taken, too: they read every case of the period, and the
            counts of all cases do not.

    Returns:
        The figures by the rows' values, in their order; ``None`` where a case has none. Days, weeks
        and months are all there, other rows only with cases.
    """
    return figures_and_total(connection, period, by, selection, times=times)[0]


def figures_and_total(
    connection: Connection,
    period: Period,
    by: By,
    selection: Selection | None = None,
    *,
    times: bool = True,
) -> tuple[dict[Value, Figures], Figures]:
    """The figures of :func:`figures` and those of :func:`total`, in the time of one of them."""
    parts = {By.DAY: period.days, By.WEEK: period.weeks, By.MONTH: period.months}.get(by)
    if parts is not None:
        rows: dict[Value, Figures] = {
            part.name: total(connection, part, selection, times=times) for part in parts()
        }
        return rows, total(connection, period, selection, times=times)
    found, everything = _query(connection, period, _COLUMNS[by], selection or Selection(), times)
    in_order = sorted(found.items(), key=lambda row: (row[0] is None, row[0] or ""))
    return dict(in_order), everything


def total(
    connection: Connection,
    period: Period,
    selection: Selection | None = None,
    *,
    times: bool = True,
) -> Figures:
    """The figures of all cases of a period; the arguments are those of :func:`figures`."""
    return _query(connection, period, None, selection or Selection(), times)[1]


def _query(
    connection: Connection,
    period: Period,
    value: sa.Column[str] | None,
    chosen: Selection,
    times: bool,
) -> tuple[dict[Value, Figures], Figures]:
    """The figures by value, and of all cases."""
    everything: dict[str, Any] = dict(_counts(connection, period, None, chosen)[None])
    found: dict[Value, dict[str, Any]] = defaultdict(dict)
    if value is not None:
        for group, counts in _counts(connection, period, value, chosen).items():
            if any(counts.values()):
                found[group] |= counts
    for count in COUNTS if times else ():
        if count.times:
            # Only the time is in the WHERE: SQLite would take the index of another column instead.
            timed = sa.and_(count.of, count.timed, *chosen.conditions())
            within = (count.at >= period.start, count.at < period.end)
            medians = _medians(connection, count, timed, value, within)
            everything |= medians.everything
            for group, own in medians.by_value.items():
                found[group] |= own
    return {group: Figures(**values) for group, values in found.items()}, Figures(**everything)


def _counts(
    connection: Connection, period: Period, value: sa.Column[str] | None, chosen: Selection
) -> dict[Value, Counter[str]]:
    """The counts by value: of whole buckets from the tallies, of the rest from the cases."""
    found: dict[Value, Counter[str]] = defaultdict(Counter)
    dimension = "all" if value is None else value.name
    spans = [(period.start, period.end)]
    if chosen == Selection() and dimension in BUCKETS:
        length_s = BUCKETS[dimension]
        first = ceil(period.start.timestamp() / length_s)
        last = max(first, floor(period.end.timestamp() / length_s))
        inner = [datetime.fromtimestamp(bucket * length_s, UTC) for bucket in (first, last)]
        if first < last:
            spans = [(period.start, inner[0]), (inner[1], period.end)]
            hours = length_s // HOUR_S
            _add_tallies(connection, dimension, first * hours, last * hours, found)
    for start, end in spans:
        if start < end:
            _add_cases(connection, start, end, value, chosen, found)
    return found


def _add_tallies(
    connection: Connection,
    dimension: str,
    first: int,
    end: int,
    found: dict[Value, Counter[str]],
) -> None:
    columns = tallies.c
    names = [name for count in COUNTS for name in count.figures]
    statement = sa.select(
        columns.dimension, columns.value, *(sa.func.sum(columns[name]) for name in names)
    ).where(
        columns.dimension.in_({dimension, "all"}), columns.bucket >= first, columns.bucket < end
    )
    without = found[None]  # a value: all cases less those with one
    for of, group, *numbers in connection.execute(
        statement.group_by(columns.dimension, columns.value)
    ):
        counts = dict(zip(names, map(int, numbers), strict=True))
        if of == "all":
            without.update(counts)
        else:
            found[group].update(counts)
            without.subtract(counts)


def _add_cases(
    connection: Connection,
    start: datetime,
    end: datetime,
    value: sa.Column[str] | None,
    chosen: Selection,
    found: dict[Value, Counter[str]],
) -> None:
    for count in COUNTS:
        of = sa.and_(count.of, *chosen.conditions())
        sums = [
            sa.func.sum(sa.case((sa.and_(of, each), 1), else_=0)) for each in count.figures.values()
        ]
        # Only the time is in the WHERE: SQLite would take the index of another column instead.
        within = (count.at >= start, count.at < end)
        for group, numbers in _grouped(connection, sums, value, within):
            counts = {n: int(number or 0) for n, number in zip(count.figures, numbers, strict=True)}
            found[group or None].update(counts)


@dataclass(frozen=True, slots=True)
class _Medians:
    """Median times in seconds, by their names in ``Figures``.

    Attributes:
        everything: Those of all cases.
        by_value: Those of the cases of each value that have any.
    """

    everything: Mapping[str, float]
    by_value: Mapping[Value, Mapping[str, float]]


def _medians(
    connection: Connection,
    count: Count,
    timed: sa.ColumnElement[bool],
    value: sa.Column[str] | None,
    within: Sequence[sa.ColumnElement[bool]],
) -> _Medians:
    read = _sorted_medians if connection.dialect.name == "postgresql" else _streamed_medians
    everything: Mapping[str, float] = {}
    by_value: dict[Value, Mapping[str, float]] = {}
    for is_all, group, numbers in read(
        connection, list(count.times.values()), timed, value, within
    ):
        named = zip(count.times, numbers, strict=True)
        medians = {name: float(n) for name, n in named if n is not None}
        if is_all:
            everything = medians
        elif medians:
            by_value[group] = medians
    return _Medians(everything, by_value)


#: Medians of all cases, or of those of a value: whether of all, the value, the medians.
_Row = tuple[bool, Value, Sequence[float | None]]
_Span = tuple[sa.Column[datetime], sa.Column[datetime]]

#: In place of a time that a case does not have, where times are read one after another.
_NO_TIME = sqlite_time(datetime.min.replace(tzinfo=UTC))


def _sorted_medians(
    connection: Connection,
    spans: Sequence[_Span],
    timed: sa.ColumnElement[bool],
    value: sa.Column[str] | None,
    within: Sequence[sa.ColumnElement[bool]],
) -> Iterator[_Row]:
    """The medians that PostgreSQL takes."""
    seconds = (sa.case((timed, _seconds(end) - _seconds(start))) for start, end in spans)
    middles = [sa.func.percentile_cont(0.5).within_group(each) for each in seconds]
    if value is None:
        yield True, None, tuple(connection.execute(sa.select(*middles).where(*within)).one())
        return
    statement = (
        sa.select(sa.func.grouping(value), value, *middles)
        .where(*within)
        .group_by(sa.func.grouping_sets(sa.tuple_(value), sa.tuple_()))
    )
    for without, group, *numbers in connection.execute(statement):
        yield bool(without), group, numbers


def _streamed_medians(
    connection: Connection,
    spans: Sequence[_Span],
    timed: sa.ColumnElement[bool],
    value: sa.Column[str] | None,
    within: Sequence[sa.ColumnElement[bool]],
) -> Iterator[_Row]:
    """The medians for SQLite, which has no percentiles.

    Each column comes as one text, the times one after another: to hand 100,000 rows to Python takes
    several times as long as to read them, and NumPy takes the text as it is.
    """
    group = sa.null() if value is None else value
    texts = [
        sa.func.coalesce(sa.case((timed, sa.type_coerce(at, sa.Text))), _NO_TIME)
        for span in spans
        for at in span
    ]
    columns = [sa.func.group_concat(text, "") for text in texts]
    groups, *joined = connection.execute(
        sa.select(sa.func.json_group_array(group), *columns).where(*within)
    ).one()
    times = [_whole_seconds(text or "") for text in joined]
    took = [end - start for start, end in zip(times[::2], times[1::2], strict=True)]
    yield True, None, [_middle(each) for each in took]
    if value is None:
        return
    names: list[Value] = json.loads(groups)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    of = np.fromiter(map(numbers.__getitem__, names), np.intp, len(names))
    in_groups = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1])
    for name, own in zip(numbers, in_groups, strict=False):  # no group where there is no row
        yield False, name, [_middle(each[own]) for each in took]


def _grouped(
    connection: Connection,
    columns: Sequence[sa.ColumnElement[Any]],
    value: sa.Column[str] | None,
    within: Sequence[sa.ColumnElement[bool]],
) -> Iterator[tuple[Value, Sequence[Any]]]:
    if value is None:
        yield None, tuple(connection.execute(sa.select(*columns).where(*within)).one())
        return
    for row in connection.execute(sa.select(value, *columns).where(*within).group_by(value)):
        yield row[0], row[1:]


def _whole_seconds(times: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Times since 1970, cut to seconds; NaN where there is none."""
    each = np.frombuffer(times.encode(), f"S{len(_NO_TIME)}")
    seconds = each.astype("datetime64[s]").astype(np.float64)
    return np.where(each == _NO_TIME.encode(), np.nan, seconds)


def _middle(times: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    known = times[~np.isnan(times)]
    return float(np.median(known)) if known.size else None


def _seconds(at: sa.Column[datetime]) -> sa.ColumnElement[int]:
    """A time in whole seconds since 1970, on PostgreSQL."""
    return sa.cast(sa.func.floor(sa.extract("epoch", at)), sa.BigInteger)
