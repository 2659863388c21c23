"""Triggers that hold the process and the history even against a program with a bug.

A change of state that the lifecycle does not know, and any change of the history, are refused by
the database itself; so is any change of the access log and of the log of accounts. What is left
is the erasure of personal data: of an entry's note and values while the case is in table
``erasing``, and of the plate of an access. Copying a whole queue needs the triggers away for a
moment: :func:`drop`, then :func:`create`.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database import tallies

_APPEND_ONLY = "the history of cases is append-only"
_LOOKS_ONLY = "the access log is append-only"
_ACCOUNTS_ONLY = "the log of accounts is append-only"
_NO_STEP = "the process of cases has no such change of state"
_UNKNOWN = (
    "NEW.state <> OLD.state AND NOT EXISTS (SELECT 1 FROM case_transitions "
    "WHERE from_state = OLD.state AND to_state = NEW.state)"
)


def _changed(names: tuple[str, ...], differs: str) -> str:
    """The condition that a row has another value in one of some columns."""
    return " OR ".join(f'NEW."{name}" {differs} OLD."{name}"' for name in names)


#: Columns that not even an erasure changes.
_KEPT_OF_ENTRY = (
    *("id", "case_id", "seq", "at", "event", "by", "role", "from_state", "to_state", "hash"),
)
_KEPT_OF_LOOK = (*("seq", "at", "who", "role", "what", "why", "case_id", "plate_sha256", "hash"),)
_NO_ERASURE = "NOT EXISTS (SELECT 1 FROM erasing WHERE case_id = OLD.case_id) OR "
_NOT_ERASED = "NEW.plate IS NOT NULL OR NEW.salt IS NOT NULL OR "
_SQLITE_DIFFERS, _POSTGRESQL_DIFFERS = "IS NOT", "IS DISTINCT FROM"

# Due at once by any clock, and before what is tried again.
_DELIVER = (
    "INSERT INTO deliveries (outlet, case_id, entry_id, attempts, next_at) "
    "SELECT name, NEW.case_id, NEW.id, 0, '{at_once}' FROM outlets"
)

_SQLITE = {
    "history_no_update": (
        f"BEFORE UPDATE ON history WHEN {_NO_ERASURE}{_changed(_KEPT_OF_ENTRY, _SQLITE_DIFFERS)} "
        f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
    ),
    "looks_no_update": (
        f"BEFORE UPDATE ON looks WHEN {_NOT_ERASED}{_changed(_KEPT_OF_LOOK, _SQLITE_DIFFERS)} "
        f"BEGIN SELECT RAISE(ABORT, '{_LOOKS_ONLY}'); END"
    ),
    "account_log_no_update": (
        f"BEFORE UPDATE ON account_log BEGIN SELECT RAISE(ABORT, '{_ACCOUNTS_ONLY}'); END"
    ),
    **{
        f"{table}_no_delete": (f"BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{text}'); END")
        for table, text in (
            ("history", _APPEND_ONLY),
            ("looks", _LOOKS_ONLY),
            ("account_log", _ACCOUNTS_ONLY),
        )
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
        "BEFORE DELETE OR TRUNCATE ON history FOR EACH STATEMENT",
        f"RAISE EXCEPTION '{_APPEND_ONLY}';",
    ),
    "history_no_update": (
        "history",
        "BEFORE UPDATE ON history FOR EACH ROW",
        f"IF {_NO_ERASURE}{_changed(_KEPT_OF_ENTRY, _POSTGRESQL_DIFFERS)} "
        f"THEN RAISE EXCEPTION '{_APPEND_ONLY}'; END IF; RETURN NEW;",
    ),
    "looks_no_change": (
        "looks",
        "BEFORE DELETE OR TRUNCATE ON looks FOR EACH STATEMENT",
        f"RAISE EXCEPTION '{_LOOKS_ONLY}';",
    ),
    "looks_no_update": (
        "looks",
        "BEFORE UPDATE ON looks FOR EACH ROW",
        f"IF {_NOT_ERASED}{_changed(_KEPT_OF_LOOK, _POSTGRESQL_DIFFERS)} "
        f"THEN RAISE EXCEPTION '{_LOOKS_ONLY}'; END IF; RETURN NEW;",
    ),
    "account_log_no_change": (
        "account_log",
        "BEFORE UPDATE OR DELETE OR TRUNCATE ON account_log FOR EACH STATEMENT",
        f"RAISE EXCEPTION '{_ACCOUNTS_ONLY}';",
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
