"""Prepared statements: their SQL is made once, and they run without SQLAlchemy's work per call.

Filing is durable only when its transaction ends, and on SQLite no other process files meanwhile:
what runs in between decides how many cases a second a city can file.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

from cv_engine.cases.database.column_types import UtcTime, sqlite_time

_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Made:
    """A statement for one database.

    Attributes:
        sql: The text for the driver.
        fixed: Values that are part of the statement.
        convert: For each parameter, in order, what turns a value into the driver's.
        row: Makes a row; ``None`` for a statement without rows.
        read: For each column, what turns the driver's value into the program's.
    """

    sql: str
    fixed: Mapping[str, Any]
    convert: tuple[tuple[str, _Convert | None], ...]
    row: Callable[..., Any] | None
    read: tuple[_Convert | None, ...]

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """The driver's values of the parameters."""
        given = {**self.fixed, **values} if self.fixed else values
        return [
            given[name] if convert is None or given[name] is None else convert(given[name])
            for name, convert in self.convert
        ]

    def rows(self, cursor: Any) -> list[Any]:
        """The rows of a statement that has run."""
        if self.row is None:
            return []
        row, read = self.row, self.read
        return [
            row(
                *(
                    value if convert is None or value is None else convert(value)
                    for value, convert in zip(values, read, strict=True)
                )
            )
            for values in cursor.fetchall()
        ]


class Prepared:
    """A statement of SQLAlchemy whose values are bound by name.

    Args:
        statement: The statement, with ``sa.bindparam(NAME, None)`` for what differs between calls.
        columns: For an INSERT, the columns that are given.
    """

    def __init__(self, statement: Any, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._made: dict[str, _Made] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Run the statement.

        Args:
            connection: Connection to the store, in a transaction.
            values: The values of the parameters, by name.

        Returns:
            The rows, as named tuples; empty for a statement without rows.

        Raises:
            DBAPIError: The database refuses the statement, or cannot run it.
        """
        return run_all(connection, [(self, values)])[0]

    def made(self, dialect: Dialect) -> _Made:
        """The statement for a database."""
        found = self._made.get(dialect.name)
        if found is None:
            found = self._made[dialect.name] = self._make(dialect)
        return found

    def _make(self, dialect: Dialect) -> _Made:
        if dialect.name == "postgresql":
            numbered: Any = type(dialect)
            dialect = numbered(paramstyle="numeric_dollar")
        compiled: Any = self._statement.compile(
            dialect=dialect,
            column_keys=self._columns,
            compile_kwargs={"render_postcompile": True},
        )
        names = list(compiled.positiontup or ())
        processors = compiled._bind_processors
        fixed = {
            name: value
            for name, value in compiled.params.items()
            if value is not None and name not in (self._columns or ())
        }
        columns = list(compiled._result_columns)
        row = namedtuple("Row", [entry.keyname for entry in columns]) if columns else None
        return _Made(
            sql=str(compiled),
            fixed=fixed,
            # The values of a list (IN) have names of their own, and need no change.
            convert=tuple(
                (name, _writer(compiled.binds.get(name), processors.get(name), dialect))
                for name in names
            ),
            row=row,
            read=tuple(_reader(entry.type, dialect) for entry in columns),
        )


def run_all(
    connection: Connection, calls: Iterable[tuple[Prepared, Mapping[str, Any]]]
) -> list[list[Any]]:
    """Run statements one after the other; on PostgreSQL in one round trip to the server.

    Args:
        connection: Connection to the store, in a transaction.
        calls: The statements, each with its values.

    Returns:
        The rows of each statement, as of :meth:`Prepared.run`.

    Raises:
        DBAPIError: The database refuses a statement, or cannot run it.
    """
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    ready = [(statement.made(dialect), values) for statement, values in calls]
    failed: Any = dialect.loaded_dbapi.Error
    try:
        cursors = []
        with _one_trip(driver, len(ready)) if dialect.name == "postgresql" else nullcontext():
            for made, values in ready:
                cursors.append(_cursor(driver, dialect).execute(made.sql, made.bound(values)))
        return [made.rows(cursor) for (made, _), cursor in zip(ready, cursors, strict=True)]
    except failed as error:  # as SQLAlchemy raises it
        sql = "; ".join(made.sql for made, _ in ready)
        raise sa.exc.DBAPIError.instance(
            sql, None, error, failed, hide_parameters=True, dialect=dialect
        ) from error


def _one_trip(driver: Any, statements: int) -> Any:
    """Psycopg's pipeline mode; a single statement is quicker without."""
    from psycopg import Pipeline

    return driver.pipeline() if statements > 1 and Pipeline.is_supported() else nullcontext()


def _cursor(driver: Any, dialect: Dialect) -> Any:
    if dialect.name != "postgresql":
        return driver
    # psycopg would read a long text again at every call, to find its placeholders.
    from psycopg import RawCursor

    return RawCursor(driver)


def _writer(bind: Any, processor: _Convert | None, dialect: Dialect) -> _Convert | None:
    if bind is not None and isinstance(bind.type, UtcTime):
        return sqlite_time if dialect.name == "sqlite" else None
    return processor


def _reader(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    if isinstance(kind, sa.Float):  # both drivers return the floats of a `Double`
        return None
    found: _Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return found
