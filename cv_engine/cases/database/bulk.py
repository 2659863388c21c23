"""Many rows at once: inserted by the quickest way of each database, without indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def select_rows(table: sa.Table) -> sa.Select[Any]:
    """The statement that selects all of a table, for :func:`insert_rows` of another store.

    JSON comes as its text: reading and writing it again would take a third of the time.
    """
    return sa.select(
        *(
            sa.cast(column, sa.Text).label(column.name) if _is_json(column) else column
            for column in table.columns
        )
    )


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[sa.Row[Any]]) -> None:
    """Add rows of the same table of another store.

    Args:
        connection: Connection to the store, in a transaction that writes.
        table: The table.
        rows: Rows of :func:`select_rows`.
    """
    if connection.dialect.name == "postgresql":
        _copy_in(connection, table, rows)
    else:
        connection.execute(_with_text(table).insert(), [row._asdict() for row in rows])


def _is_json(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.JSON)


def _with_text(table: sa.Table) -> sa.TableClause:
    """The table, with the text of JSON in place of its value."""
    columns = (
        sa.column(column.name, sa.Text() if _is_json(column) else column.type)
        for column in table.columns
    )
    return sa.table(table.name, *columns)


def _copy_in(connection: Connection, table: sa.Table, rows: Sequence[sa.Row[Any]]) -> None:
    """Add rows by COPY, which takes a third of the time of INSERT."""
    columns = _with_text(table).columns
    names = ", ".join(connection.dialect.identifier_preparer.quote(c.name) for c in columns)
    convert = [
        column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        for column in columns
    ]
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(
                [
                    value if value is None or change is None else change(value)
                    for value, change in zip(row, convert, strict=True)
                ]
            )


def drop_indexes(connection: Connection, tables: Iterable[sa.Table]) -> list[str]:
    """Drop the indexes of tables, but not those of their constraints.

    Returns:
        The statements that create the indexes again.
    """
    names = [table.name for table in tables]
    if connection.dialect.name == "sqlite":
        found = sa.text(
            "SELECT name, sql FROM sqlite_schema "
            "WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN :names"
        )
    else:
        found = sa.text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
            "AND tablename IN :names AND indexname NOT IN "
            "(SELECT conname FROM pg_constraint "
            "WHERE connamespace = current_schema()::regnamespace)"
        )
    statement = found.bindparams(sa.bindparam("names", expanding=True))
    indexes = connection.execute(statement, {"names": names}).all()
    for name, _ in indexes:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    return [created for _, created in indexes]


def set_sequences(connection: Connection, tables: Iterable[sa.Table]) -> None:
    """Let the numbers of new rows follow those that are there.

    SQLite keeps its counters itself, also for rows whose numbers are given.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        column = table.autoincrement_column
        if column is not None:
            connection.execute(
                sa.text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'), "
                    f"max({column.name})) FROM {table.name} HAVING count(*) > 0"
                )
            )
