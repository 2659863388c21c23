"""Gives the histories of the first schema their numbers, hashes and times of the stages.

Everything here is a copy: what later versions of the program change must not change this step. Only
the hash is shared, since a queue has one kind of chain from its first entry to its last.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect, Row

from cv_engine.cases.chain import entry_hash

_ROWS_AT_ONCE = 1000


class _Time(sa.types.TypeDecorator[datetime]):
    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_STAGES = ("confirmed_at", "dispatched_at", "handled_at", "verified_at", "ended_at")
_json = sa.JSON(none_as_null=True)
cases = sa.table(
    "cases",
    *(sa.column(name, sa.Integer) for name in ("id", "version", "place_id")),
    *(sa.column(n, sa.Text) for n in ("key", "state", "outcome", "head", "source", "zone")),
    sa.column("attributes", _json),
    *(sa.column(name, _Time) for name in _STAGES),
)
places = sa.table("places", sa.column("id", sa.Integer), sa.column("text", sa.Text))
findings = sa.table("findings", sa.column("key", sa.Text), sa.column("evidence_sha256", sa.Text))
history = sa.table(
    "history",
    *(sa.column(name, sa.Integer) for name in ("id", "case_id", "seq")),
    sa.column("at", _Time),
    *(sa.column(n, sa.Text) for n in ("event", "by", "role", "note", "from_state", "to_state")),
    sa.column("data", _json),
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
    numbers: dict[str, int] = {}  # of the places, by their texts
    last = 0
    while True:
        ids = sa.select(cases.c.id).where(cases.c.id > last).order_by(cases.c.id)
        batch = connection.execute(ids.limit(_ROWS_AT_ONCE)).scalars().all()
        if not batch:
            break
        _chain_cases(connection, int(batch[0]), int(batch[-1]), numbers)
        last = batch[-1]
    if numbers:
        rows = [{"id": number, "text": text} for text, number in numbers.items()]
        connection.execute(places.insert(), rows)
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"SELECT setval('places_id_seq', {len(numbers)})"))


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


def _chain_cases(connection: Connection, first: int, last: int, numbers: dict[str, int]) -> None:
    named = (cases.c.key, cases.c.source, cases.c.zone, cases.c.attributes)
    old = sa.select(history, *named).join_from(history, cases, cases.c.id == history.c.case_id)
    old = old.where(history.c.case_id.between(first, last))
    rows = connection.execute(old.order_by(history.c.case_id, history.c.id)).all()
    entries: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for (case_id, key), group in groupby(rows, key=attrgetter("case_id", "key")):
        of_case = list(group)
        chained, times = _chained(key, of_case)
        entries += chained
        heads.append(
            {
                "case": case_id,
                "head": chained[-1]["hash"],
                "version": len(chained),
                "place_id": numbers.setdefault(_place_text(of_case[0]), len(numbers) + 1),
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


def _place_text(row: Row[Any]) -> str:
    parts = (row.source, row.zone, (row.attributes or {}).get("address"))
    return "\n".join(
        " ".join(unicodedata.normalize("NFKC", part).casefold().split())
        for part in parts
        if isinstance(part, str) and part
    )
