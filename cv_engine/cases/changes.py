"""Changes of a case: each adds an entry to the history, in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Event
from cv_engine.cases.chain import entry_hash
from cv_engine.cases.database.column_types import ExactJson
from cv_engine.cases.database.prepared import Prepared
from cv_engine.cases.database.tables import cases, findings, history, places
from cv_engine.cases.errors import StaleError
from cv_engine.cases.lifecycle import ENGINE, OPEN_STATES, Actor, State
from cv_engine.cases.place_text import PLACE_COLUMNS, add_place, place_of_text, place_text
from cv_engine.cases.rows import digest_data, lock_case, need_finding

_log = structlog.get_logger()

#: Times that the clock has given to a case.
_RECORDED = ("filed_at", "confirmed_at", "dispatched_at", "handled_at", "verified_at", "ended_at")

#: The columns of a new case that its finding does not give.
_NEW_CASE: dict[str, Any] = {
    **{column.name: None for column in cases.columns if column.name not in ("id", "place_id")},
    **{"priority": "normal", "deferrals": 0, "extensions": 0, "returns": 0, "reopenings": 0},
}
_INSERT_CASE = Prepared(
    cases.insert()
    .values(place_id=place_of_text(sa.bindparam("place_text", None, sa.Text)))
    .returning(cases.c.id, cases.c.place_id),
    list(_NEW_CASE),
)
_ENTRY_COLUMNS = [column.name for column in history.columns if column.name != "id"]
_INSERT_ENTRY = Prepared(history.insert(), _ENTRY_COLUMNS)
_FINDING_COLUMNS = [column.name for column in findings.columns]
_to_json = json.JSONEncoder(ensure_ascii=False, default=datetime.isoformat).encode
_INSERT_FINDING = Prepared(findings.insert(), _FINDING_COLUMNS)


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case that is to be opened.

    Attributes:
        row: Columns of table ``cases``.
        data: Values of the first entry of its history.
        finding: Columns of table ``findings`` of a new finding of the case, if it has one.
        by: Who acted.
        note: The person's note.
    """

    row: Mapping[str, Any]
    data: Mapping[str, Any]
    finding: Mapping[str, Any] | None = None
    by: Actor = ENGINE
    note: str = ""


class CaseRows(NamedTuple):
    """The rows of a new case; its number is not known yet.

    Attributes:
        case: Columns of table ``cases``, and ``place_text``.
        entry: Columns of table ``history``: the first entry.
        finding: Columns of table ``findings``, if the case has a new finding.
    """

    case: dict[str, Any]
    entry: dict[str, Any]
    finding: Mapping[str, Any] | None


def rows_of(new: NewCase, at: datetime) -> CaseRows:
    """Make the rows of a new case.

    Args:
        new: The case.
        at: When the case is filed (timezone-aware).
    """
    entry = _entry(1, Event.FILED, new.by, at, new.note, None, State.REPORTED, new.data)
    entry["hash"] = entry_hash(new.row["key"], entry)
    case = {**_NEW_CASE, **new.row, "filed_at": at, "version": 1, "head": entry["hash"]}
    case["place_text"] = place_text(new.row)
    return CaseRows(case, entry, new.finding)


def open_cases(connection: Connection, new: Sequence[CaseRows]) -> list[int]:
    """Add cases, each with the first entry of its history.

    Args:
        connection: Connection to the store.
        new: The cases, each with a key of its own.

    Returns:
        The cases' numbers.
    """
    if not new:
        return []
    insert = _insert_by_server if connection.dialect.name == "postgresql" else _insert_one_by_one
    numbers = []
    for rows, added in zip(new, insert(connection, new), strict=True):
        if added.place_id is None:  # the first case at this place
            place_id = add_place(connection, rows.case["place_text"])
            chosen = cases.update().where(cases.c.id == added.id)
            connection.execute(chosen.values(place_id=place_id))
        numbers.append(int(added.id))
    return numbers


def _insert_one_by_one(connection: Connection, rows: Sequence[CaseRows]) -> list[Any]:
    found = []
    for case, entry, finding in rows:
        (added,) = _INSERT_CASE.run(connection, case)
        add_entry(connection, {**entry, "case_id": added.id})
        if finding is not None:
            add_finding(connection, {**finding, "case_id": added.id})
        found.append(added)
    return found


def _insert_by_server(connection: Connection, rows: Sequence[CaseRows]) -> list[Any]:
    """Add all cases in one statement, whose only value is their rows as JSON.

    To send and to read one text takes a fraction of the time of a hundred values a case.
    """
    given = [
        {
            **case,
            **{f"entry_{name}": value for name, value in entry.items()},
            **{f"finding_{name}": value for name, value in (finding or {}).items()},
        }
        for case, entry, finding in rows
    ]
    found = {row.key: row for row in _INSERT_CASES.run(connection, {"rows": _to_json(given)})}
    return [found[case["key"]] for case, _, _ in rows]


def _insert_cases() -> Prepared:
    """PostgreSQL's statement that adds cases with their first entries and their findings."""
    entry = [name for name in _ENTRY_COLUMNS if name != "case_id"]
    finding = [name for name in _FINDING_COLUMNS if name != "case_id"]
    rows = (
        sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", None, sa.Text), ExactJson))
        .table_valued(
            *(sa.column(name, cases.c[name].type) for name in _NEW_CASE),
            sa.column("place_text", sa.Text),
            *(sa.column(f"entry_{name}", history.c[name].type) for name in entry),
            *(sa.column(f"finding_{name}", findings.c[name].type) for name in finding),
            name="rows",
        )
        .render_derived(with_types=True)
    )
    given = sa.select(rows).cte("given")  # read once
    place = sa.select(places.c.id).where(places.c.text == given.c.place_text).scalar_subquery()
    new = sa.select(place, *(given.c[name] for name in _NEW_CASE))
    case = (
        cases.insert()
        .from_select(["place_id", *_NEW_CASE], new)
        .returning(cases.c.id, cases.c.key, cases.c.place_id)
        .cte("new_case")
    )
    with_case = given.join(case, case.c.key == given.c.key)

    def of_case(table: sa.Table, prefix: str, names: Sequence[str]) -> sa.Select[Any]:
        values = (given.c[prefix + name] for name in names)
        return sa.select(case.c.id, *values).select_from(with_case)

    entries = of_case(history, "entry_", entry)
    found = of_case(findings, "finding_", finding).where(given.c.finding_key.is_not(None))
    return Prepared(
        sa.select(case).add_cte(
            history.insert().from_select(["case_id", *entry], entries).cte("new_entry"),
            findings.insert().from_select(["case_id", *finding], found).cte("new_finding"),
        )
    )


_INSERT_CASES = _insert_cases()


def add_finding(connection: Connection, row: Mapping[str, Any]) -> None:
    """Add a finding: the values of all columns of table ``findings``."""
    _INSERT_FINDING.run(connection, row)


def add_entry(connection: Connection, entry: Mapping[str, Any]) -> None:
    """Add an entry to a history: the values of all columns but ``id``."""
    _INSERT_ENTRY.run(connection, entry)


class LockedCase:
    """A case that the present transaction has locked, and that no other transaction changes.

    Args:
        connection: Connection to the store.
        row: The case, selected for update.
        at: Time of the changes (timezone-aware).
    """

    def __init__(self, connection: Connection, row: Row[Any], at: datetime) -> None:
        self.connection = connection
        self.row = row
        self.at = at
        self.version: int = row.version
        self.state = State(row.state)
        self._head: str = row.head
        self._compare_clock()

    @classmethod
    def of(cls, connection: Connection, case_id: int, at: datetime) -> LockedCase:
        """Lock the case of a number.

        Raises:
            QueueError: There is no such case.
        """
        return cls(connection, lock_case(connection, case_id), at)

    def record(
        self,
        event: Event,
        by: Actor = ENGINE,
        note: str = "",
        *,
        to: State | None = None,
        data: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Change columns of the case, and say in its history what happened.

        Args:
            event: What happened.
            by: Who acted.
            note: The person's note.
            to: The state that the case enters; the state stays if ``None``.
            data: JSON values of the entry.
            **values: Columns of table ``cases`` that change.
        """
        before = None if to is None else self.state
        entry = _entry(self.version + 1, event, by, self.at, note, before, to, data or {})
        entry["hash"] = entry_hash(self._head or self.row.key, entry)
        add_entry(self.connection, {**entry, "case_id": self.row.id})
        self.version += 1
        self._head = entry["hash"]
        if to is not None:
            self.state = to
            values["state"] = to.value
        if event is not Event.PURGED and (to in OPEN_STATES or (data or {}).get("evidence")):
            values["purged_at"] = None  # the rules count again from the next end
        self.set(version=self.version, head=self._head, **values)

    def _compare_clock(self) -> None:
        """Warn of a clock that was set back; the history is in order by ``seq`` all the same."""
        known = [at for at in (getattr(self.row, name) for name in _RECORDED) if at is not None]
        if self.at < max(known):
            _log.warning(
                "the clock was set back: the case has later times",
                case=self.row.id,
                now=self.at.isoformat(),
                latest=max(known).isoformat(),
            )

    def set(self, **values: Any) -> None:
        """Change columns of the case, with nothing to say in its history."""
        if not PLACE_COLUMNS.isdisjoint(values):
            text = place_text({**self.row._mapping, **values})
            values["place_id"] = add_place(self.connection, text)
        statement = cases.update().where(cases.c.id == self.row.id)
        self.connection.execute(statement.values(**values))


def _entry(
    seq: int,
    event: Event,
    by: Actor,
    at: datetime,
    note: str,
    before: State | None,
    after: State | None,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": at,
        "event": event.value,
        "by": by.name,
        "role": by.role.value,
        "note": note,
        "from_state": before,
        "to_state": after,
        "data": dict(data),
    }


def add_evidence(
    connection: Connection, known: Row[Any], name: str | None, sha256: str | None, at: datetime
) -> bool:
    """Add evidence to a filed finding, or the digest of evidence that was written again.

    Args:
        connection: Connection to the store.
        known: The filed finding, from table ``findings``.
        name: Name of the evidence folder, if there is one.
        sha256: Digest of the manifest of the evidence, if known.
        at: When, for the history.

    Returns:
        Whether the record changed.

    Raises:
        StaleError: Another transaction changed the finding meanwhile.
    """
    if name is None or known.evidence not in (None, name):
        return False
    if known.evidence is not None and sha256 in (None, known.evidence_sha256):
        return False
    case = LockedCase.of(connection, known.case_id, at)
    now = need_finding(connection, known.key)
    if (now.case_id, now.evidence) != (known.case_id, known.evidence):
        raise StaleError
    statement = findings.update().where(findings.c.key == known.key)
    connection.execute(
        statement.values(evidence=name, evidence_sha256=sha256 or known.evidence_sha256)
    )
    data = {"key": known.key, "evidence": name, **digest_data(sha256)}
    case.record(Event.EVIDENCE, data=data, evidence=case.row.evidence or name)
    return True
