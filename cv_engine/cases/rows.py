"""Rows of the database: found, locked, and read as cases and entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Case, Entry, Event, Handling, Result
from cv_engine.cases.database.tables import cases, findings, history
from cv_engine.cases.errors import NotFoundError
from cv_engine.cases.filing.filed import FiledFinding
from cv_engine.cases.lifecycle import State
from cv_engine.cases.taxonomy import Priority
from cv_engine.finding import Place

# Key in the history's values: digest of the manifest of the evidence.
_EVIDENCE_SHA256 = "evidence_sha256"
_HANDLING = tuple(each.name for each in fields(Handling))
_RESULT = tuple(each.name for each in fields(Result))
_LARGEST_ID = 2**31 - 1  # what PostgreSQL's integer holds


def place_of(row: Row[Any]) -> Place:
    """The place in a row of table ``cases`` or ``findings``."""
    box = None
    if row.box_x1 is not None:
        box = (row.box_x1, row.box_y1, row.box_x2, row.box_y2)
    return Place(row.geometry, row.accuracy_m, row.basis, box)


def case_of(row: Row[Any]) -> Case:
    """A row of table ``cases`` as a case."""
    return Case(
        id=row.id,
        key=row.key,
        kind=row.kind,
        standard=row.standard,
        code=row.code,
        source=row.source,
        zone=row.zone,
        place=place_of(row),
        began=row.began,
        observed=row.observed,
        gone_at=row.gone_at,
        confidence=row.confidence,
        attributes=row.attributes,
        evidence=row.evidence,
        state=State(row.state),
        filed_at=row.filed_at,
        version=row.version,
        priority=Priority(row.priority),
        handling=Handling(**{name: getattr(row, name) for name in _HANDLING}),
        result=Result(**{name: getattr(row, name) for name in _RESULT}),
    )


def finding_of(row: Row[Any]) -> FiledFinding:
    """A row of table ``findings`` as a filed finding."""
    return FiledFinding(
        key=row.key,
        source=row.source,
        zone=row.zone,
        place=place_of(row),
        began=row.began,
        observed=row.observed,
        gone_at=row.gone_at,
        confidence=row.confidence,
        evidence=row.evidence,
    )


def entry_of(row: Row[Any]) -> Entry:
    """A row of table ``history`` as an entry."""
    return Entry(
        id=row.id,
        case_id=row.case_id,
        seq=row.seq,
        at=row.at,
        event=Event(row.event),
        by=row.by,
        note=row.note,
        from_state=None if row.from_state is None else State(row.from_state),
        to_state=None if row.to_state is None else State(row.to_state),
        data=row.data,
        role=row.role,
        hash=row.hash,
    )


def need_finding(connection: Connection, key: str) -> Row[Any]:
    """The filed finding of a key; who changes it locks its case.

    Raises:
        NotFoundError: The finding was never filed.
    """
    row = connection.execute(findings.select().where(findings.c.key == key)).one_or_none()
    if row is None:
        raise NotFoundError(f"finding {key} was never filed")
    return row


def last_entry(connection: Connection, case_id: int, to: State | None = None) -> Row[Any]:
    """The last entry of a case's history; with ``to``, the last one that entered that state."""
    statement = history.select().where(history.c.case_id == case_id)
    if to is not None:
        statement = statement.where(history.c.to_state == to.value)
    return connection.execute(statement.order_by(history.c.seq.desc()).limit(1)).one()


def need_case(connection: Connection, case_id: int, *, lock: bool = False) -> Row[Any]:
    """The case of a number.

    Raises:
        NotFoundError: There is no such case.
    """
    row = None
    if 0 < case_id <= _LARGEST_ID:
        statement = cases.select().where(cases.c.id == case_id)
        statement = statement.with_for_update() if lock else statement
        row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no case {case_id}: `cv-engine cases list` shows the numbers")
    return row


def lock_case(connection: Connection, case_id: int) -> Row[Any]:
    """The present case, locked until this transaction ends."""
    return need_case(connection, case_id, lock=True)


def lock_cases(connection: Connection, numbers: Sequence[int]) -> Sequence[Row[Any]]:
    """Some cases, locked until this transaction ends.

    All transactions lock in the order of the numbers, so that no two wait for each other.
    """
    statement = cases.select().where(cases.c.id.in_(numbers)).order_by(cases.c.id)
    return connection.execute(statement.with_for_update()).all()


def findings_of(connection: Connection, case_id: int) -> Sequence[Row[Any]]:
    """The findings of a case, in the order of their start."""
    statement = findings.select().where(findings.c.case_id == case_id)
    return connection.execute(statement.order_by(findings.c.began, findings.c.key)).all()


def finding_data(row: Mapping[str, Any], sha256: str | None) -> dict[str, Any]:
    """The values of a finding that the history keeps, from a row of table ``cases``.

    Args:
        row: The finding.
        sha256: Digest of the manifest of the finding's evidence, if known.
    """
    kept = ("key", "confidence", "evidence", "attributes", "geometry")
    times = {name: time_text(row[name]) for name in ("began", "observed")}
    box = [row[name] for name in ("box_x1", "box_y1", "box_x2", "box_y2")]
    return {
        **{name: row[name] for name in kept},
        **times,
        "image_box": None if box[0] is None else box,
        **digest_data(sha256),
    }


def digest_data(sha256: str | None) -> dict[str, str]:
    """The value of the history that holds the digest of the manifest of some evidence."""
    return {} if sha256 is None else {_EVIDENCE_SHA256: sha256}


def time_text(at: datetime) -> str:
    """A time in the form that histories record."""
    return at.astimezone(UTC).isoformat()
