"""Prepared statements: their SQL is made once, and they run without SQLAlchemy's work per call.

Filing is durable only when its transaction ends, and on SQLite no other process files meanwhile:
what runs in between decides how many cases a second a city can file.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

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
        dialect = connection.dialect
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = self._make(dialect)
        given = {**made.fixed, **values} if made.fixed else values
        bound = [
            given[name] if convert is None or given[name] is None else convert(given[name])
            for name, convert in made.convert
        ]
        driver: Any = connection.connection.driver_connection
        if dialect.name == "postgresql":
            # psycopg would read a long text again at every call, to find its placeholders.
            from psycopg import RawCursor

            driver = RawCursor(driver)
        failed: Any = dialect.loaded_dbapi.Error
        try:
            cursor = driver.execute(made.sql, bound)
        except failed as error:  # as SQLAlchemy raises it
            raise sa.exc.DBAPIError.instance(
                made.sql, bound, error, failed, hide_parameters=True, dialect=dialect
            ) from error
        if made.row is None:
            return []
        row, read = made.row, made.read
        return [
            row(
                *(
                    value if convert is None or value is None else convert(value)
                    for value, convert in zip(values, read, strict=True)
                )
            )
            for values in cursor.fetchall()
        ]

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
            convert=tuple((name, processors.get(name)) for name in names),
            row=row,
            read=tuple(_reader(entry.type, dialect) for entry in columns),
        )


def _reader(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    if isinstance(kind, sa.Float):  # both drivers return the floats of a `Double`
        return None
    found: _Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return found
