"""Tallies: the counts of the statistics, kept by triggers in the transaction of every change.

A row holds the counts of one value of one dimension in one bucket of time: an hour for all cases
together, a day (UTC) for the others. Cases without a value have no row: they are what all cases
have more than the rows. A period of any time zone is the sum of the whole buckets in it, and of the
cases themselves in the rest at its ends. So a month is read from some thousand rows, however many
millions of cases it has.

A transaction holds the rows that it has changed until its commit. On PostgreSQL, where many commit
at the same time, each connection therefore adds to a shard of its own; a count is the sum of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.counts import COUNTS, Count
from cv_engine.cases.database.tables import cases, tallies

HOUR_S = 3600
_DAY_S = 86_400
#: Length of a dimension's buckets in seconds; a dimension is a column of table ``cases``, and
#: ``"all"`` is all cases together. Cameras and officers have no tallies: their values are so many
#: that a day of them is nearly as long as its cases.
BUCKETS: Mapping[str, int] = {
    "all": HOUR_S,
    **dict.fromkeys(("kind", "department", "team", "zone", "area", "priority"), _DAY_S),
}
_FIGURES = tuple(name for count in COUNTS for name in count.figures)
_TIMES = tuple(count.at.name for count in COUNTS)
_CHANGES = ("state", "returns", "ended_at", *_TIMES, *(name for name in BUCKETS if name != "all"))
_LENGTHS = tuple((name, length_s // HOUR_S) for name, length_s in BUCKETS.items())
#: Of each count: the place of its first figure among all, and how many it has.
_PLACES_OF_FIGURES = tuple(
    (sum(len(before.figures) for before in COUNTS[:number]), len(count.figures))
    for number, count in enumerate(COUNTS)
)
_ROWS_AT_ONCE = 10_000
_GROUP = ("dimension", "bucket", "value")
_KEY = (*_GROUP, "shard")
#: Shards on PostgreSQL: more than connections that file at once, few enough to be summed quickly.
_SHARDS = 16


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A trigger on table ``cases``.

    Attributes:
        event: What fires it.
        rows: The rows that it counts, and how often.
        when: The rows that concern it.
        counts: The counts that these rows can change.
    """

    event: str
    rows: Mapping[str, int]
    when: str = "TRUE"
    counts: Sequence[Count] = COUNTS


_RECEIVED = tuple(count for count in COUNTS if count.at is cases.c.filed_at)
#: Whether no person has acted on a new case: nearly all are only received, which is soon counted.
_UNTOUCHED = "NEW.confirmed_at IS NULL AND NEW.ended_at IS NULL"
_TRIGGERS: Mapping[str, _Trigger] = {
    "cases_tallied_new": _Trigger("INSERT", {"NEW": 1}, _UNTOUCHED, _RECEIVED),
    "cases_tallied_insert": _Trigger("INSERT", {"NEW": 1}, f"NOT ({_UNTOUCHED})"),
    "cases_tallied_update": _Trigger(
        f"UPDATE OF {', '.join(dict.fromkeys(_CHANGES))}", {"OLD": -1, "NEW": 1}
    ),
}


def create(connection: Connection) -> None:
    """Create the triggers that keep the tallies."""
    for name, trigger in _TRIGGERS.items():
        body = " UNION ALL ".join(
            _changes(connection, trigger.counts, row, sign) for row, sign in trigger.rows.items()
        )
        on = f"CREATE TRIGGER {name} AFTER {trigger.event} ON cases FOR EACH ROW"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(
                f"{on} WHEN {trigger.when} BEGIN {_upsert(connection, body)}; END"
            )
            continue
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {_upsert(connection, body)}; RETURN NULL; END $$"
        )
        connection.exec_driver_sql(f"{on} WHEN ({trigger.when}) EXECUTE FUNCTION {name}()")


def drop(connection: Connection) -> None:
    """Drop the triggers, where they exist."""
    on = "" if connection.dialect.name == "sqlite" else " ON cases"
    for name in _TRIGGERS:
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}{on}")


def recount(connection: Connection) -> None:
    """Count all cases again, as after a change of the counts' definitions.

    Reads every case once: about a minute for four million.
    """
    connection.execute(tallies.delete())
    counted: defaultdict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0] * len(_FIGURES))
    options = {"yield_per": _ROWS_AT_ONCE}
    for row in connection.execute(_each_case(connection), execution_options=options):
        values, numbers = row[: len(BUCKETS)], iter(row[len(BUCKETS) :])
        for start, names in _PLACES_OF_FIGURES:
            hour = next(numbers)
            added = [next(numbers) for _ in range(names)]
            if hour is None:
                continue
            for (dimension, length_h), value in zip(_LENGTHS, values, strict=True):
                if value is not None:
                    sums = counted[dimension, hour - hour % length_h, value]
                    for place, number in enumerate(added, start):
                        sums[place] += number
    rows = [
        {**dict(zip(_GROUP, group, strict=True)), "shard": 0}
        | dict(zip(_FIGURES, sums, strict=True))
        for group, sums in counted.items()
        if any(sums)
    ]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        connection.execute(tallies.insert(), rows[start : start + _ROWS_AT_ONCE])


def _each_case(connection: Connection) -> sa.Select[Any]:
    """Of each case: its value of every dimension, and for each count its hour and its figures."""
    values = (sa.literal("") if name == "all" else cases.c[name] for name in BUCKETS)
    numbers: list[sa.ColumnElement[Any]] = []
    for count in COUNTS:
        hour = sa.literal_column(_bucket(connection, str(count.at), HOUR_S), sa.Integer)
        counts = sa.and_(count.at.is_not(None), count.of)
        numbers.append(sa.case((counts, hour)))
        numbers += [sa.case((each, 1), else_=0) for each in count.figures.values()]
    return sa.select(*values, *numbers)


def _upsert(connection: Connection, changes: str) -> str:
    """Add changes to the tallies; in one order, so that transactions never wait in a circle."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in _FIGURES)
    new = ", ".join(f"{name} = tallies.{name} + excluded.{name}" for name in _FIGURES)
    changed = " OR ".join(f"sum({name}) <> 0" for name in _FIGURES)
    shard = "0" if connection.dialect.name == "sqlite" else f"mod(pg_backend_pid(), {_SHARDS})"
    group = ", ".join(_GROUP)
    return (
        f"INSERT INTO tallies ({', '.join(_KEY)}, {', '.join(_FIGURES)}) "
        f"SELECT {group}, {shard}, {sums} FROM ({changes}) AS changes "
        f"GROUP BY {group} HAVING {changed} ORDER BY {group} "
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {new}"
    )


def _changes(connection: Connection, counts: Sequence[Count], row: str, sign: int) -> str:
    """What a row of table ``cases`` adds to the tallies, as a SELECT."""
    parts = []
    for dimension, length_s in BUCKETS.items():
        value = "''" if dimension == "all" else f"{row}.{dimension}"
        named = sa.true() if dimension == "all" else cases.c[dimension].is_not(None)
        for count in counts:
            own = {
                name: f"CASE WHEN {_text(connection, each, row)} THEN {sign} ELSE 0 END"
                for name, each in count.figures.items()
            }
            numbers = ", ".join(f"{own.get(name, 0)} AS {name}" for name in _FIGURES)
            hours = _bucket(connection, f"{row}.{count.at.name}", length_s)
            of = _text(connection, sa.and_(count.at.is_not(None), count.of, named), row)
            parts.append(
                f"SELECT '{dimension}' AS dimension, {value} AS value, {hours} AS bucket, "
                f"{numbers} WHERE {of}"
            )
    return " UNION ALL ".join(parts)


def _bucket(connection: Connection, at: str, length_s: int) -> str:
    """The start of the bucket of a time, in hours since 1970."""
    hours = length_s // HOUR_S
    if connection.dialect.name == "sqlite":
        # Cut to whole seconds, since SQLite would round to milliseconds.
        seconds = f"CAST(strftime('%s', substr({at}, 1, 19)) AS INTEGER)"
    else:
        seconds = f"CAST(floor(extract(epoch FROM {at})) AS bigint)"
    return f"CAST({seconds} / {length_s} * {hours} AS INTEGER)"


def _text(connection: Connection, condition: sa.ColumnElement[bool], row: str) -> str:
    compiled = condition.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return str(compiled).replace(f"{cases.name}.", f"{row}.")
