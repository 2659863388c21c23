"""Copying a whole queue from one store to another, in batches, resumed after an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database import triggers
from cv_engine.cases.database.account_tables import metadata
from cv_engine.cases.database.bulk import drop_indexes, insert_rows, select_rows, set_sequences
from cv_engine.cases.database.planner import set_statistics
from cv_engine.cases.database.store import COPYING, Store
from cv_engine.cases.database.tables import case_transitions, cases
from cv_engine.cases.errors import QueueError

#: Tables that are copied, those that others refer to first. The pairs of states belong to the
#: schema: every store has them.
TABLES = tuple(table for table in metadata.sorted_tables if table is not case_transitions)

_ROWS_AT_ONCE = 5_000  # some megabytes, and a transaction of a fraction of a second

#: What the target keeps until the copy is complete: the source, the statements that create its
#: indexes, and the last key of every table.
_progress = sa.Table(
    COPYING,
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_SOURCE, _INDEXES = "source", "indexes"

#: Called with a table's name, the number of its rows copied, and that of all its rows.
Progress = Callable[[str, int, int], None]


def _silent(table: str, done: int, total: int) -> None:
    """Reports nothing."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that is complete and verified.

    Attributes:
        rows: Number of rows by table.
    """

    rows: Mapping[str, int]


def copy_queue(
    source: Store, target: Store, progress: Progress = _silent, *, name: str | None = None
) -> Copied:
    """Copy all of a queue, and verify that the copy is complete.

    The source is read in one snapshot and not changed. The target refuses to be opened until the
    copy is complete. An interrupted copy is resumed where it ended; the source must not have
    changed since.

    Args:
        source: The queue.
        target: An empty store, or one with an unfinished copy of the same queue, opened with
            ``unfinished=True``.
        progress: Receives the progress.
        name: What the target remembers the source by; its address if left out.

    Raises:
        QueueError: The target holds other data, or the copy does not equal the source.
    """
    _prepare(target, name or str(source.name))
    with source.snapshot() as reading:
        for table in TABLES:
            _copy_table(reading, target, table, progress)
        _finish(target)
        target.vacuum()
        rows = verify_copy(reading, target)
    with target.writing() as connection:
        _progress.drop(connection)
    return Copied(rows)


def _prepare(target: Store, source: str) -> None:
    """Make the target ready for the rows, unless an interrupted copy has done so."""
    with target.writing() as connection:
        if sa.inspect(connection).has_table(COPYING):
            before = _value(connection, _SOURCE)
            if before != source:
                raise QueueError(
                    f"{target.name} holds an unfinished copy of {before}, not of {source}: finish "
                    "that one, or name another database"
                )
            return
        check_empty(connection, str(target.name))
        _progress.create(connection)
        triggers.drop(connection)
        _set(connection, _SOURCE, source)
        # Rows are added several times faster without the indexes, which are then built at once.
        _set(connection, _INDEXES, json.dumps(drop_indexes(connection, TABLES)))


def check_empty(connection: Connection, name: str) -> None:
    """Refuse a store that holds anything.

    Raises:
        QueueError: A table has rows.
    """
    for table in TABLES:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise QueueError(
                f"{name} is not empty (it has {table.name}): name a database without a queue; "
                "nothing was changed"
            )


def _copy_table(reading: Connection, target: Store, table: sa.Table, progress: Progress) -> None:
    total = _count(reading, table)
    with target.reading() as connection:
        last = json.loads(_value(connection, table.name) or "null")
        done = _count(connection, table) if last else 0
    keys = _order(table)
    for batch in _batches(reading, table, keys, last):
        with target.writing() as connection:
            insert_rows(connection, table, batch)
            _set(connection, table.name, json.dumps([getattr(batch[-1], key.name) for key in keys]))
        done += len(batch)
        progress(table.name, done, total)


def _order(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns by which a table is read: as its rows lie on the disk, as far as that is known.

    Findings have keys by chance: in their order, every row of a large queue is on another page.
    """
    keys = list(table.primary_key.columns)
    if table.autoincrement_column is None and "case_id" in table.columns:
        return [table.c.case_id, *keys]
    return keys


def _batches(
    reading: Connection, table: sa.Table, keys: list[sa.Column[Any]], last: Sequence[Any] | None
) -> Iterator[Sequence[sa.Row[Any]]]:
    """The rows after a key, in the order of their keys."""
    statement = select_rows(table).order_by(*keys).limit(_ROWS_AT_ONCE)
    while True:
        after = statement
        if last is not None:
            after = statement.where(sa.tuple_(*keys) > sa.tuple_(*last))
        batch = reading.execute(after).all()
        if not batch:
            return
        yield batch
        last = [getattr(batch[-1], key.name) for key in keys]


def _finish(target: Store) -> None:
    """Give the target what makes it a queue: sequences, indexes, triggers, statistics."""
    with target.writing() as connection:
        set_sequences(connection, TABLES)
        for statement in json.loads(_value(connection, _INDEXES) or "[]"):
            connection.exec_driver_sql(statement)
        _set(connection, _INDEXES, "[]")
        triggers.drop(connection)
        triggers.create(connection)
        set_statistics(connection)


def verify_copy(reading: Connection, target: Store) -> dict[str, int]:
    """Compare a copy with its source: the numbers of rows, and every case's head and state.

    Args:
        reading: Connection to the source.
        target: The copy.

    Returns:
        The number of rows by table.

    Raises:
        QueueError: The two differ; the message says where.
    """
    with target.snapshot() as connection:
        rows = {}
        for table in TABLES:
            rows[table.name] = _count(reading, table)
            copied = _count(connection, table)
            if copied != rows[table.name]:
                raise QueueError(
                    f"{target.name}: {table.name} has {copied} rows, the source has "
                    f"{rows[table.name]}: empty the database and begin again"
                )
        differing = _first_difference(reading, connection)
        if differing is not None:
            raise QueueError(
                f"{target.name}: case {differing} differs from the source: empty the database and "
                "begin again"
            )
        return rows


def _first_difference(reading: Connection, copied: Connection) -> int | None:
    """The number of the first case that two stores do not have in common."""
    with closing(_heads(reading)) as ours, closing(_heads(copied)) as theirs:
        for one, other in zip_longest(ours, theirs):
            if one is None or other is None or tuple(one) != tuple(other):
                return int((one or other)[0])
    return None


def _heads(connection: Connection) -> Generator[Any, None, None]:
    columns = (cases.c.id, cases.c.version, cases.c.head, cases.c.state, cases.c.observed)
    statement = sa.select(*columns).order_by(cases.c.id)
    options = {"yield_per": _ROWS_AT_ONCE}
    with connection.execute(statement, execution_options=options) as rows:
        yield from rows


def _count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _value(connection: Connection, name: str) -> str | None:
    statement = sa.select(_progress.c.value).where(_progress.c.name == name)
    return connection.execute(statement).scalar_one_or_none()


def _set(connection: Connection, name: str, value: str) -> None:
    changed = _progress.update().where(_progress.c.name == name).values(value=value)
    if connection.execute(changed).rowcount == 0:
        connection.execute(_progress.insert().values(name=name, value=value))
