"""Purging: evidence packages that are to be deleted are recorded first, then their files go.

The record is an entry of the case's history, which is chained, and a row for each package: its
digest, when, and by which rule. A program that is killed before the files are gone leaves rows that
say so, and the next run deletes those files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import purged_evidence
from cv_engine.cases.lifecycle import Actor


@dataclass(frozen=True, slots=True)
class Purged:
    """What is left of a package that was deleted.

    Attributes:
        name: The package's name.
        case_id: The case whose history has the record.
        sha256: Digest (hex) of the package's manifest, which held those of all its files; ``None``
            where it was never known.
        rule: By which rule, or why.
        at: When the deletion was recorded (UTC).
        deleted_at: When the files were gone (UTC); ``None`` while they may be there.
    """

    name: str
    case_id: int
    sha256: str | None
    rule: str
    at: datetime
    deleted_at: datetime | None


def record_purge(
    case: LockedCase,
    packages: Mapping[str, str | None],
    rule: str,
    by: Actor,
    note: str = "",
) -> list[str]:
    """Record that packages of a case are deleted, in the transaction that has locked the case.

    Args:
        case: The case.
        packages: Digests of the packages' manifests, by name; those that are recorded already are
            left out.
        rule: By which rule.
        by: Who deletes them.
        note: The person's note.

    Returns:
        The names of the packages whose files are to be deleted now.
    """
    named = purged_evidence.c.name.in_(list(packages))
    known = {row.name for row in _rows(case.connection, named)}
    new = [
        {"name": name, "sha256": sha256} for name, sha256 in packages.items() if name not in known
    ]
    for package in new:
        values = {**package, "case_id": case.row.id, "rule": rule, "at": case.at}
        case.connection.execute(purged_evidence.insert().values(values))
    data = {"rule": rule, "packages": new}
    case.record(Event.PURGED, by, note, data=data, purged_at=case.at)
    return [str(package["name"]) for package in new]


def find_purged(connection: Connection, name: str) -> Purged | None:
    """What is left of a package that was deleted; ``None`` if it was not."""
    rows = _rows(connection, purged_evidence.c.name == name)
    return _purged(rows[0]) if rows else None


def waiting(connection: Connection) -> list[str]:
    """Names of the packages that are recorded as deleted, and whose files may be there still."""
    statement = (
        sa.select(purged_evidence.c.name)
        .where(purged_evidence.c.deleted_at.is_(None))
        .order_by(purged_evidence.c.at, purged_evidence.c.name)
    )
    return list(connection.execute(statement).scalars())


def note_deleted(connection: Connection, name: str, at: datetime) -> None:
    """Note that the files of a package are gone."""
    changed = purged_evidence.update().where(purged_evidence.c.name == name)
    connection.execute(changed.values(deleted_at=at))


def _rows(connection: Connection, where: sa.ColumnElement[bool]) -> Sequence[Row[Any]]:
    statement = purged_evidence.select().where(where).order_by(purged_evidence.c.name)
    return connection.execute(statement).all()


def _purged(row: Row[Any]) -> Purged:
    return Purged(row.name, row.case_id, row.sha256, row.rule, row.at, row.deleted_at)
