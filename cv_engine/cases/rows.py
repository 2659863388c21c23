"""Rows: the database's rows, found, held and read as cases and entries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import OPEN_STATES, Case, Entry, Event, State
from cv_engine.cases.error import QueueError
from cv_engine.cases.overlap import same_place
from cv_engine.cases.tables import cases, findings
from cv_engine.finding import Finding, Place

_LARGEST_ID = 2**31 - 1  # what PostgreSQL's integer holds


def place_of(row: Row[Any]) -> Place:
    """The place in a row of table ``cases``."""
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
        left_at=row.left_at,
        confidence=row.confidence,
        attributes=row.attributes,
        evidence=row.evidence,
        state=State(row.state),
        filed_at=row.filed_at,
    )


def entry_of(row: Row[Any]) -> Entry:
    """A row of table ``history`` as an entry."""
    return Entry(
        id=row.id,
        case_id=row.case_id,
        at=row.at,
        event=Event(row.event),
        by=row.by,
        note=row.note,
        from_state=None if row.from_state is None else State(row.from_state),
        to_state=None if row.to_state is None else State(row.to_state),
        data=row.data,
    )


def find_finding(connection: Connection, key: str) -> Row[Any] | None:
    """The filed finding of a key, held until this transaction ends; ``None`` if never filed."""
    statement = findings.select().where(findings.c.key == key).with_for_update()
    return connection.execute(statement).one_or_none()


def need_finding(connection: Connection, key: str) -> Row[Any]:
    """The filed finding of a key, held until this transaction ends.

    Raises:
        QueueError: It was never filed.
    """
    row = find_finding(connection, key)
    if row is None:
        raise QueueError(f"finding {key} was never filed")
    return row


def need_case(connection: Connection, case_id: int, *, lock: bool = False) -> Row[Any]:
    """The case of a number.

    Raises:
        QueueError: There is none.
    """
    row = None
    if 0 < case_id <= _LARGEST_ID:
        statement = cases.select().where(cases.c.id == case_id)
        statement = statement.with_for_update() if lock else statement
        row = connection.execute(statement).one_or_none()
    if row is None:
        raise QueueError(
            f"there is no case {case_id}: `cv-engine cases list` shows which there are"
        )
    return row


def lock_case(connection: Connection, case_id: int) -> Row[Any]:
    """The case as it is now, and as it stays until this transaction ends."""
    return need_case(connection, case_id, lock=True)


def set_case(connection: Connection, case_id: int, **values: Any) -> None:
    """Change columns of a case."""
    connection.execute(cases.update().where(cases.c.id == case_id).values(**values))


def same_case(connection: Connection, finding: Finding, missed: timedelta) -> Row[Any] | None:
    """The open case that the finding belongs to, if there is one.

    Args:
        connection: To the store.
        finding: The finding.
        missed: How long before its start it may have been there without anyone looking. A case
            whose thing is not known to have left is then taken to have gone on for so long.
    """
    statement = (
        cases.select()
        .where(
            cases.c.source == finding.source,
            cases.c.zone == finding.zone,
            cases.c.kind == finding.kind,
            cases.c.state.in_(sorted(OPEN_STATES)),
            sa.or_(
                cases.c.observed >= finding.began,
                sa.and_(cases.c.left_at.is_(None), cases.c.observed >= finding.began - missed),
            ),
            cases.c.began <= finding.observed,
        )
        .order_by(cases.c.id)
        .with_for_update()
    )
    scored = [
        (same_place(place_of(row), finding.place), row) for row in connection.execute(statement)
    ]
    near = [pair for pair in scored if pair[0] > 0.0]
    # The first of several equals is the oldest: the rows come by number.
    return max(near, key=lambda pair: pair[0])[1] if near else None
