"""Triggers that hold the process and the history even against a program with a bug.

A change of state that the lifecycle does not know, and any change of the history, are refused by
the database itself. Copying a whole queue needs them away for a moment: :func:`drop`, then
:func:`create`.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database import tallies

_APPEND_ONLY = "the history of cases is append-only"
_NO_STEP = "the process of cases has no such change of state"
_UNKNOWN = (
    "NEW.state <> OLD.state AND NOT EXISTS (SELECT 1 FROM case_transitions "
    "WHERE from_state = OLD.state AND to_state = NEW.state)"
)
# Due at once by any clock, and before what is tried again.
_DELIVER = (
    "INSERT INTO deliveries (outlet, case_id, entry_id, attempts, next_at) "
    "SELECT name, NEW.case_id, NEW.id, 0, '{at_once}' FROM outlets"
)

_SQLITE = {
    **{
        f"history_no_{verb.lower()}": (
            f"BEFORE {verb} ON history BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
        )
        for verb in ("UPDATE", "DELETE")
    },
    "cases_transition": (
        f"BEFORE UPDATE OF state ON cases WHEN {_UNKNOWN} "
        f"BEGIN SELECT RAISE(ABORT, '{_NO_STEP}'); END"
    ),
    "history_delivered": "AFTER INSERT ON history BEGIN "
    f"{_DELIVER.format(at_once='1970-01-01 00:00:00.000000')}; END",
}

#: Name of the trigger: its table, when it fires, and the body of its function.
_POSTGRESQL = {
    "history_no_change": (
        "history",
        "BEFORE UPDATE OR DELETE OR TRUNCATE ON history FOR EACH STATEMENT",
        f"RAISE EXCEPTION '{_APPEND_ONLY}';",
    ),
    "cases_transition": (
        "cases",
        "BEFORE UPDATE OF state ON cases FOR EACH ROW",
        f"IF {_UNKNOWN} THEN RAISE EXCEPTION '{_NO_STEP}'; END IF; RETURN NEW;",
    ),
    "history_delivered": (
        "history",
        "AFTER INSERT ON history FOR EACH ROW",
        f"{_DELIVER.format(at_once='1970-01-01 00:00:00+00')}; RETURN NULL;",
    ),
}


def create(connection: Connection) -> None:
    """Create the triggers."""
    tallies.create(connection)
    if connection.dialect.name == "sqlite":
        for name, body in _SQLITE.items():
            connection.execute(sa.text(f"CREATE TRIGGER {name} {body}"))
        return
    for name, (_, when, body) in _POSTGRESQL.items():
        connection.execute(
            sa.text(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN {body} END $$"
            )
        )
        connection.execute(sa.text(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()"))


def drop(connection: Connection) -> None:
    """Drop the triggers, where they exist."""
    tallies.drop(connection)
    if connection.dialect.name == "sqlite":
        for name in _SQLITE:
            connection.execute(sa.text(f"DROP TRIGGER IF EXISTS {name}"))
        return
    for name, (table, _, _) in _POSTGRESQL.items():
        connection.execute(sa.text(f"DROP TRIGGER IF EXISTS {name} ON {table}"))
