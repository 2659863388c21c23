"""Rows of the database: found, locked, and read as cases and entries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import OPEN_STATES, Case, Entry, Event, State
from cv_engine.cases.errors import QueueError
from cv_engine.cases.filter import box_conditions
from cv_engine.cases.overlap import same_place
from cv_engine.cases.site import area_m2, is_site, joined, reach
from cv_engine.cases.tables import case_boxes, cases, findings, history
from cv_engine.finding import Finding, Place

# Key in the history's values: digest of the manifest of the evidence.
_EVIDENCE_SHA256 = "evidence_sha256"
_WITH_EVIDENCE = (Event.FILED.value, Event.JOINED.value, Event.EVIDENCE.value)
_LARGEST_ID = 2**31 - 1  # what PostgreSQL's integer holds
_AREA = "area_m2"  # the attribute with a site's area
_OUTSIDE = "outside_permit_m2"  # the attribute with the area that no permit covers


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
    """The filed finding of a key, locked until this transaction ends; ``None`` if never filed."""
    statement = findings.select().where(findings.c.key == key).with_for_update()
    return connection.execute(statement).one_or_none()


def need_finding(connection: Connection, key: str) -> Row[Any]:
    """The filed finding of a key, locked until this transaction ends.

    Raises:
        QueueError: The finding was never filed.
    """
    row = find_finding(connection, key)
    if row is None:
        raise QueueError(f"finding {key} was never filed")
    return row


def last_digest(connection: Connection, finding: Row[Any]) -> str | None:
    """The digest of a finding's evidence that the history recorded last; ``None`` without."""
    statement = (
        sa.select(history.c.data)
        .where(history.c.case_id == finding.case_id, history.c.event.in_(_WITH_EVIDENCE))
        .order_by(history.c.id.desc())
    )
    for data in connection.execute(statement).scalars():
        if data.get("key") == finding.key and _EVIDENCE_SHA256 in data:
            return str(data[_EVIDENCE_SHA256])
    return None


def need_case(connection: Connection, case_id: int, *, lock: bool = False) -> Row[Any]:
    """The case of a number.

    Raises:
        QueueError: There is no such case.
    """
    row = None
    if 0 < case_id <= _LARGEST_ID:
        statement = cases.select().where(cases.c.id == case_id)
        statement = statement.with_for_update() if lock else statement
        row = connection.execute(statement).one_or_none()
    if row is None:
        raise QueueError(f"there is no case {case_id}: `cv-engine cases list` shows the numbers")
    return row


def lock_case(connection: Connection, case_id: int) -> Row[Any]:
    """The present case, locked until this transaction ends."""
    return need_case(connection, case_id, lock=True)


def set_case(connection: Connection, case_id: int, **values: Any) -> None:
    """Change columns of a case."""
    connection.execute(cases.update().where(cases.c.id == case_id).values(**values))


def record(connection: Connection, case_id: int, event: Event, **values: Any) -> None:
    """Add an entry to a case's history.

    Args:
        connection: Connection to the store.
        case_id: The case's number.
        event: What happened.
        **values: Columns of table ``history``; ``at`` and ``by`` are required.
    """
    given = {"note": "", "data": {}, **values}
    connection.execute(history.insert().values(case_id=case_id, event=event.value, **given))


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
        **_digest(sha256),
    }


def _digest(sha256: str | None) -> dict[str, str]:
    return {} if sha256 is None else {_EVIDENCE_SHA256: sha256}


def add_evidence(
    connection: Connection,
    known: Row[Any],
    name: str | None,
    sha256: str | None,
    *,
    at: datetime,
    by: str,
) -> bool:
    """Add evidence to a filed finding, or the digest of evidence that was written again.

    Args:
        connection: Connection to the store.
        known: The filed finding, from table ``findings``.
        name: Name of the evidence folder, if there is one.
        sha256: Digest of the manifest of the evidence, if known.
        at: When, for the history.
        by: Who, for the history.

    Returns:
        Whether the record changed.
    """
    if name is None or known.evidence not in (None, name):
        return False
    is_new = known.evidence is None
    if not is_new and sha256 in (None, last_digest(connection, known)):
        return False
    case = lock_case(connection, known.case_id)
    if is_new:
        connection.execute(
            findings.update().where(findings.c.key == known.key).values(evidence=name)
        )
    if case.evidence is None:
        set_case(connection, case.id, evidence=name)
    data = {"key": known.key, "evidence": name, **_digest(sha256)}
    record(connection, case.id, Event.EVIDENCE, at=at, by=by, data=data)
    return True


def time_text(at: datetime) -> str:
    """A time in the form that histories record."""
    return at.astimezone(UTC).isoformat()


def lock_place(connection: Connection, finding: Finding) -> None:
    """Prevent others from filing at the same place until this transaction ends.

    SQLite admits only one writer at a time; PostgreSQL takes a lock named by the place.
    """
    if connection.dialect.name == "postgresql":
        zone = "" if is_site(finding.place) else finding.zone
        name = "\0".join((finding.source, zone, finding.kind)).encode()
        number = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def same_case(
    connection: Connection, finding: Finding, missed: timedelta, gap_m: float
) -> Row[Any] | None:
    """The open case that a finding belongs to, if there is one.

    Args:
        connection: Connection to the store.
        finding: The finding.
        missed: Time without samples before the finding's start. A case whose thing is not known to
            have left is taken to have continued for this time.
        gap_m: Largest distance of a site's finding from the case's site, in metres.
    """
    place = finding.place
    if is_site(place):
        conditions = box_conditions(connection, reach(place.geometry or {}, gap_m))
    else:
        conditions = [
            cases.c.zone == finding.zone,
            sa.or_(
                cases.c.observed >= finding.began,
                sa.and_(cases.c.left_at.is_(None), cases.c.observed >= finding.began - missed),
            ),
            cases.c.began <= finding.observed,
        ]
    statement = (
        cases.select()
        .where(
            cases.c.source == finding.source,
            cases.c.kind == finding.kind,
            cases.c.state.in_(sorted(OPEN_STATES)),
            *conditions,
        )
        .order_by(cases.c.id)
        .with_for_update()
    )
    scored = [
        (same_place(place_of(row), place, gap_m), row) for row in connection.execute(statement)
    ]
    near = [pair for pair in scored if pair[0] > 0.0]
    # The first of several equals is the oldest: rows are ordered by number.
    return max(near, key=lambda pair: pair[0])[1] if near else None


def grow(connection: Connection, case: Row[Any], row: Mapping[str, Any]) -> None:
    """Add the ground of a joining finding to a site's case; the history keeps earlier places.

    Args:
        connection: Connection to the store, in the transaction that has locked the case.
        case: The case; not changed unless it is a site.
        row: The joining finding, as a row of table ``cases``.
    """
    if not (is_site(place_of(case)) and is_site(Place(row["geometry"], None, row["basis"]))):
        return
    from shapely.geometry import shape

    geometry = joined(case.geometry, row["geometry"])
    names = ("min_lon", "min_lat", "max_lon", "max_lat")
    bounds = dict(zip(names, shape(geometry).bounds, strict=True))
    total_m2 = area_m2(geometry)
    attributes = {**case.attributes, _AREA: round(total_m2, 1)}
    outside, more = (of.get(_OUTSIDE) for of in (case.attributes, row["attributes"]))
    if outside is not None and more is not None:
        # The share that was known before is counted already.
        new_share = (total_m2 - area_m2(case.geometry)) / max(area_m2(row["geometry"]), 1e-9)
        attributes[_OUTSIDE] = round(outside + more * min(max(new_share, 0.0), 1.0), 1)
    set_case(connection, case.id, geometry=geometry, attributes=attributes, **bounds)
    if connection.dialect.name == "sqlite":  # the R*Tree's trigger fires for new cases only
        moved = sa.update(case_boxes).where(case_boxes.c.id == case.id).values(**bounds)
        connection.execute(moved)
