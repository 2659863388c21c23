"""Audit: whether the cases, their histories and their findings are as the queue wrote them.

Every hash is computed again. What is found: entries that were changed, removed, added or put in
another order; cases whose columns are not what their history says; findings and entries without a
case; missing numbers. What is not found: a change by somebody who computes the whole chain again,
from the changed entry to the case's head. Only a copy elsewhere tells: a backup, or an outlet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Event
from cv_engine.cases.chain import entry_hash
from cv_engine.cases.database.tables import (
    case_evidence,
    cases,
    findings,
    history,
    purged_evidence,
)
from cv_engine.cases.looks import broken_looks
from cv_engine.cases.removal.erasing import left_digest
from cv_engine.cases.replay import REPLAYED, Replay
from cv_engine.finding import Finding, Place

_ROWS_AT_ONCE = 2_000  # of a stream
_REPORT_EVERY = 1_000  # cases

#: The columns that are compared; reading all of them would take twice as long.
_CASE = tuple(
    cases.c[name]
    for name in ("id", "key", "kind", "source", "zone", "state", "version", "head", *REPLAYED)
)
_FINDING = tuple(findings.c[name] for name in ("key", "case_id", "evidence", "evidence_sha256"))

#: Called with what is counted, how many are done, and how many there are.
Progress = Callable[[str, int, int], None]


def _silent(what: str, done: int, total: int) -> None:
    """Reports nothing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as the queue wrote it.

    Attributes:
        case_id: The case's number; ``None`` for the access log.
        seq: Number of the history's entry, or of the access; ``None`` for the case itself.
        what: Kind of the problem: ``"entry"``, ``"head"``, ``"column"``, ``"finding"``,
            ``"evidence"``, ``"number"``, ``"clock"`` or ``"look"``.
        text: Description for people.
        remark: Whether it may have a harmless reason.
    """

    case_id: int | None
    seq: int | None
    what: str
    text: str
    remark: bool = False

    def __str__(self) -> str:
        if self.case_id is None:
            return f"look {self.seq}: {self.text}"
        entry = "" if self.seq is None else f", entry {self.seq}"
        return f"case {self.case_id}{entry}: {self.text}"


def audit(
    connection: Connection, ids: Sequence[int] | None = None, progress: Progress = _silent
) -> Iterator[Problem]:
    """Check all cases of a queue, or some, in the order of their numbers; read as a stream.

    With all cases, the access log is checked as well.

    Args:
        connection: Connection to the store, in a transaction that reads one state of it.
        ids: Numbers of the cases; all if ``None``.
        progress: Receives the progress.
    """
    total = len(ids) if ids is not None else _highest(connection)
    streams = {
        table: _ByCase(_stream(connection, columns, (table.c.case_id, order), ids))
        for table, columns, order in (
            (history, tuple(history.columns), history.c.seq),
            (findings, _FINDING, findings.c.key),
            (case_evidence, tuple(case_evidence.columns), case_evidence.c.name),
            (purged_evidence, tuple(purged_evidence.columns), purged_evidence.c.name),
        )
    }
    last, gaps = 0, ids is None
    for row in _stream(connection, _CASE, (cases.c.id,), ids):
        yield from _orphans(streams, row.id)
        if gaps:
            yield from _missing(connection, last + 1, row.id)
        last = row.id
        yield from check_case(row, *(stream.take(row.id) for stream in streams.values()))
        if last % _REPORT_EVERY == 0:
            progress("cases", last, total)
    yield from _orphans(streams, None)
    if gaps:
        yield from _missing(connection, last + 1, _highest(connection) + 1)
        yield from (Problem(None, seq, "look", text) for seq, text in broken_looks(connection))
    progress("cases", total, total)


class _ByCase:
    """Rows that are ordered by case, taken one case at a time."""

    def __init__(self, rows: Iterator[Row[Any]]) -> None:
        self._groups = ((key, list(group)) for key, group in groupby(rows, attrgetter("case_id")))
        self._next = next(self._groups, None)

    def take(self, case_id: int) -> list[Row[Any]]:
        """The rows of a case; those of smaller numbers have been taken."""
        if self._next is None or self._next[0] != case_id:
            return []
        rows = self._next[1]
        self._next = next(self._groups, None)
        return rows

    def before(self, case_id: int | None) -> Iterator[list[Row[Any]]]:
        """The rows of cases with a smaller number, case by case; all that are left if ``None``."""
        while self._next is not None and (case_id is None or self._next[0] < case_id):
            yield self.take(self._next[0])


def _stream(
    connection: Connection,
    columns: tuple[sa.ColumnElement[Any], ...],
    order: tuple[sa.ColumnElement[Any], ...],
    ids: Sequence[int] | None,
) -> Iterator[Row[Any]]:
    statement = sa.select(*columns).order_by(*order)
    if ids is not None:
        statement = statement.where(order[0].in_(ids))
    options = {"yield_per": _ROWS_AT_ONCE}
    with connection.execute(statement, execution_options=options) as rows:
        yield from rows


def _orphans(streams: Mapping[sa.Table, _ByCase], case_id: int | None) -> Iterator[Problem]:
    for table, stream in streams.items():
        for row in chain.from_iterable(stream.before(case_id)):
            if table is history:
                yield Problem(row.case_id, row.seq, "entry", "there is no case of this entry")
            elif table is findings:
                text = f"there is no case of finding {row.key}"
                yield Problem(row.case_id, None, "finding", text)
            else:
                text = f"there is no case of the evidence {row.name}"
                yield Problem(row.case_id, None, "evidence", text)


def _highest(connection: Connection) -> int:
    """The highest number that a case ever had, as far as the database knows."""
    if connection.dialect.name == "sqlite":
        counter = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'cases'")
    else:
        counter = sa.text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM cases_id_seq")
    highest = connection.execute(sa.select(sa.func.max(cases.c.id))).scalar()
    return max(connection.execute(counter).scalar() or 0, highest or 0)


def _missing(connection: Connection, first: int, end: int) -> Iterator[Problem]:
    """Numbers from ``first`` up to, not including, ``end``, which no case has.

    PostgreSQL also skips a number if the transaction that had taken it did not complete.
    """
    if first >= end:
        return
    remark = connection.dialect.name != "sqlite"
    why = " (perhaps of a filing that did not complete)" if remark else ""
    upto = "" if end == first + 1 else f" nor of the next ones, up to {end - 1}"
    yield Problem(first, None, "number", f"there is no case of this number{upto}{why}", remark)


def check_case(
    case: Row[Any],
    entries: Sequence[Row[Any]],
    filed: Sequence[Row[Any]],
    attached: Sequence[Row[Any]],
    purged: Sequence[Row[Any]],
) -> Iterator[Problem]:
    """Check one case.

    Args:
        case: The row of table ``cases``.
        entries: The rows of its history, by ``seq``.
        filed: The rows of its findings.
        attached: The rows of the evidence that people added to it.
        purged: The rows of its evidence that was deleted.
    """
    replay = Replay()
    yield from _check_chain(case, entries, replay)
    head, version = (entries[-1].hash, entries[-1].seq) if entries else (None, 0)
    if (case.head, case.version) != (head, version):
        text = f"the last entry should be number {case.version}, with another hash"
        yield Problem(case.id, None, "head", text)
    for name in REPLAYED:
        if getattr(case, name) != replay.columns[name]:
            yield _differs(case, name, replay.columns[name])
    if case.state != replay.state:
        yield _differs(case, "state", replay.state)
    if entries and not replay.divided and not _key_fits(case, entries[0].data):
        text = "the key does not fit kind, source and zone, and what was filed"
        yield Problem(case.id, None, "column", text)
    yield from _check_findings(case, replay, filed)
    yield from _check_packages(case, "evidence", replay.attached, attached)
    yield from _check_packages(case, "deleted evidence", replay.purged, purged)


def _check_chain(case: Row[Any], entries: Sequence[Row[Any]], replay: Replay) -> Iterator[Problem]:
    previous: str | None = case.key  # None: the entry before is missing, its hash is not known
    expected, at = 1, None
    erased = _erased(entries)
    for entry in entries:
        if entry.seq != expected:
            for seq in range(expected, entry.seq):
                yield Problem(case.id, seq, "entry", "the entry is missing")
            previous = None
        values = dict(entry._mapping)
        if entry.seq in erased:
            fits = (entry.hash, left_digest(values)) == erased[entry.seq]
        else:
            fits = previous is None or entry.hash == entry_hash(previous, values)
        if not fits:
            text = "the entry was changed, or is not in its place: its hash does not fit"
            yield Problem(case.id, entry.seq, "entry", text)
        wrong = replay.apply(entry)
        if wrong is not None:
            yield Problem(case.id, entry.seq, "entry", f"the entry {wrong}")
        if at is not None and entry.at < at:
            text = "the entry was recorded before the one it follows: the clock was set back"
            yield Problem(case.id, entry.seq, "clock", text, remark=True)
        previous, expected, at = entry.hash, entry.seq + 1, entry.at


def _erased(entries: Sequence[Row[Any]]) -> dict[int, tuple[str, str]]:
    """By their numbers, the entries that were erased: their hashes, and digests of what is left.

    An erasure speaks of entries before it only, and the last one of an entry counts.
    """
    return {
        int(seq): (said["hash"], said["left"])
        for entry in entries
        if entry.event == Event.ERASED
        for seq, said in entry.data["entries"].items()
        if int(seq) < entry.seq
    }


def _differs(case: Row[Any], name: str, said: object) -> Problem:
    text = f"{name} is {getattr(case, name)}, by the history {said}"
    return Problem(case.id, None, "column", text)


def _key_fits(case: Row[Any], data: Any) -> bool:
    """Whether the case's kind, source and zone are those that its key was made of."""
    if "image_box" not in data or "geometry" not in data:  # not recorded by earlier versions
        return True
    box = None if data["image_box"] is None else tuple(data["image_box"])
    began = datetime.fromisoformat(data["began"])
    place = Place(data["geometry"], None, "", box)
    filed = Finding(case.kind, case.source, case.zone, place, began, began, 0.0)
    return bool(filed.key == case.key)


def _check_findings(case: Row[Any], replay: Replay, filed: Sequence[Row[Any]]) -> Iterator[Problem]:
    found = {row.key: row for row in filed}
    for key in sorted(replay.keys - found.keys()):
        yield Problem(case.id, None, "finding", f"finding {key} is missing")
    for key in sorted(found.keys() - replay.keys):
        yield Problem(case.id, None, "finding", f"finding {key} is not in the history")
    for key, said in replay.evidence.items():
        row = found.get(key)
        if row is None:
            continue
        if row.evidence != said.name:
            text = f"evidence of finding {key} is {row.evidence}, by the history {said.name}"
            yield Problem(case.id, None, "evidence", text)
        if row.evidence_sha256 != said.sha256:
            text = f"the digest of the evidence of finding {key} is not that of the history"
            yield Problem(case.id, None, "evidence", text)


def _check_packages(
    case: Row[Any], what: str, said: Mapping[str, str | None], rows: Sequence[Row[Any]]
) -> Iterator[Problem]:
    """Whether the evidence that people added, or that was deleted, is what the history says."""
    found = {row.name: row.sha256 for row in rows}
    for name in sorted(found.keys() | said.keys()):
        if name not in found:
            text = f"the {what} {name} is missing"
        elif name not in said:
            text = f"the {what} {name} is not in the history"
        elif found[name] != said[name]:
            text = f"the digest of the {what} {name} is not that of the history"
        else:
            continue
        yield Problem(case.id, None, "evidence", text)
