"""Closing a queue that has moved: its content stays readable, and nothing can change it.

A cross-check in the program would not stop processes that have had the old queue open for weeks. So
the database itself refuses every change, and says where the queue is now.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.account_tables import metadata

#: How the database's refusal begins, by which :mod:`~cv_engine.cases.database.db_errors` knows it.
MOVED = "the queue has moved to "
_REMEDY = (
    ": set `store` in the configuration to that address and start the program again; nothing was "
    "filed here"
)
_NAME = "queue_moved"
_mark = sa.Table(_NAME, sa.MetaData(), sa.Column("target", sa.Text, primary_key=True))


def moved_to(connection: Connection) -> str | None:
    """Where a queue has moved, or is being moved; ``None`` if it has not."""
    if not sa.inspect(connection).has_table(_NAME):
        return None
    return connection.execute(sa.select(_mark.c.target)).scalar_one_or_none()


def close(connection: Connection, target: str) -> None:
    """Let the database refuse every change from the end of this transaction on.

    Args:
        connection: Connection to the store, in a transaction that writes.
        target: Address of the new queue, without password.
    """
    _mark.create(connection)
    connection.execute(_mark.insert().values(target=target))
    said = (MOVED + target + _REMEDY).replace("'", "''")
    tables = [table.name for table in metadata.sorted_tables]
    if connection.dialect.name == "sqlite":
        for table in tables:
            for verb in ("INSERT", "UPDATE", "DELETE"):
                _run(
                    connection,
                    f"CREATE TRIGGER {_NAME}_{table}_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{said}'); END",
                )
        return
    _run(
        connection,
        f"CREATE OR REPLACE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$moved$ BEGIN RAISE EXCEPTION '%', '{said}'; END $moved$",
    )
    for table in tables:
        _run(
            connection,
            f"CREATE TRIGGER {_NAME} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {_NAME}()",
        )


def reopen(connection: Connection) -> None:
    """Let the queue take changes again.

    Args:
        connection: Connection to the store, in a transaction that writes.
    """
    if connection.dialect.name == "sqlite":
        names = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB :pattern"
        found = connection.execute(sa.text(names), {"pattern": f"{_NAME}_*"})
        for name in found.scalars().all():
            _run(connection, f"DROP TRIGGER {name}")
    else:
        _run(connection, f"DROP FUNCTION {_NAME}() CASCADE")
    _mark.drop(connection)


def _run(connection: Connection, statement: str) -> None:
    # Not as text(): an address holds colons, which are no parameters.
    connection.exec_driver_sql(statement.replace("%", "%%") if _formats(connection) else statement)


def _formats(connection: Connection) -> bool:
    return connection.dialect.paramstyle in ("pyformat", "format")
