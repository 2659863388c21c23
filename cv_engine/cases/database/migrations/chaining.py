"""Gives the histories of the first schema their numbers, hashes and times of the stages."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.chain import entry_hash
from cv_engine.cases.database.tables import UtcTime

_ROWS_AT_ONCE = 1000

# The columns of this version of the schema: later versions must not change what is done here.
_STAGES = ("confirmed_at", "dispatched_at", "handled_at", "verified_at", "ended_at")
cases = sa.table(
    "cases",
    sa.column("id", sa.Integer),
    *(sa.column(name, sa.Text) for name in ("key", "state", "outcome", "head")),
    sa.column("version", sa.Integer),
    *(sa.column(name, UtcTime) for name in _STAGES),
)
findings = sa.table("findings", sa.column("key", sa.Text), sa.column("evidence_sha256", sa.Text))
history = sa.table(
    "history",
    *(sa.column(name, sa.Integer) for name in ("id", "case_id", "seq")),
    sa.column("at", UtcTime),
    *(sa.column(n, sa.Text) for n in ("event", "by", "role", "note", "from_state", "to_state")),
    sa.column("data", sa.JSON(none_as_null=True)),
    sa.column("hash", sa.Text),
)
#: The time that a change to a state sets; "left" was a state of its own in the first schema.
_TIMES = {
    "confirmed": "confirmed_at",
    "dispatched": "dispatched_at",
    "handled": "handled_at",
    "verified": "verified_at",
    **dict.fromkeys(("rejected", "closed", "left", "withdrawn"), "ended_at"),
}


def chain_histories(connection: Connection) -> None:
    """Number and hash every entry, and bring what the first schema called "left" to its new name.

    Args:
        connection: Connection to a store whose columns exist and whose triggers are dropped.
    """
    connection.execute(
        sa.text("UPDATE cases SET state = 'closed', outcome = 'left' WHERE state = 'left'")
    )
    connection.execute(sa.text("UPDATE history SET event = 'gone' WHERE event = 'left'"))
    for name in ("from_state", "to_state"):
        connection.execute(sa.text(f"UPDATE history SET {name} = 'closed' WHERE {name} = 'left'"))
    _copy_digests(connection)
    last = 0
    while True:
        ids = sa.select(cases.c.id).where(cases.c.id > last).order_by(cases.c.id)
        batch = connection.execute(ids.limit(_ROWS_AT_ONCE)).scalars().all()
        if not batch:
            return
        _chain_cases(connection, int(batch[0]), int(batch[-1]))
        last = batch[-1]


def _copy_digests(connection: Connection) -> None:
    """The digests of evidence, from the history to the findings: the last of each."""
    text = history.c.data["evidence_sha256"].as_string()
    statement = sa.select(history.c.data["key"].as_string(), text).where(text.is_not(None))
    digests = {row[0]: row[1] for row in connection.execute(statement.order_by(history.c.id))}
    if digests:
        connection.execute(
            sa.update(findings).where(findings.c.key == sa.bindparam("finding")),
            [{"finding": key, "evidence_sha256": digest} for key, digest in digests.items()],
        )


def _chain_cases(connection: Connection, first: int, last: int) -> None:
    old = sa.select(history, cases.c.key).join_from(history, cases, cases.c.id == history.c.case_id)
    old = old.where(history.c.case_id.between(first, last))
    rows = connection.execute(old.order_by(history.c.case_id, history.c.id)).all()
    entries: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for (case_id, key), group in groupby(rows, key=attrgetter("case_id", "key")):
        chained, times = _chained(key, list(group))
        entries += chained
        heads.append(
            {
                "case": case_id,
                "head": chained[-1]["hash"],
                "version": len(chained),
                **dict.fromkeys(_STAGES),
                **times,
            }
        )
    connection.execute(sa.update(history).where(history.c.id == sa.bindparam("entry")), entries)
    connection.execute(sa.update(cases).where(cases.c.id == sa.bindparam("case")), heads)


def _chained(key: str, rows: list[Row[Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The entries of one case with their numbers and hashes, and the times of its stages."""
    previous, entries, times = key, [], {}
    for seq, row in enumerate(rows, start=1):
        values = {**row._mapping, "seq": seq}
        previous = entry_hash(previous, values)
        entries.append({"entry": row.id, "seq": seq, "hash": previous})
        if row.to_state in _TIMES:
            times[_TIMES[row.to_state]] = row.at
    return entries, times
