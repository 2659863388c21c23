"""Attachments: evidence packages that people add to a case, such as an officer's photos."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import case_evidence
from cv_engine.cases.filing.filed import FiledEvidence
from cv_engine.cases.filing.validation import check_evidence
from cv_engine.cases.rows import digest_data


@dataclass(frozen=True, slots=True)
class Attachment:
    """A finished evidence package.

    Attributes:
        name: The folder's name under the data folder's ``evidence/``.
        sha256: Digest (hex) of the package's manifest.
    """

    name: str
    sha256: str

    def data(self) -> dict[str, str]:
        """The values that the history keeps of the package."""
        return {"evidence": self.name, **digest_data(self.sha256)}


def attach(case: LockedCase, attachment: Attachment) -> None:
    """Add a package to a case, in the transaction that records it in the history.

    Raises:
        QueueError: The name leads out of the evidence folder.
    """
    case.connection.execute(
        case_evidence.insert().values(
            name=check_evidence(attachment.name),
            case_id=case.row.id,
            sha256=attachment.sha256,
            at=case.at,
        )
    )


def attached_to(connection: Connection, case_id: int) -> list[tuple[str, str]]:
    """Names and digests of the packages that people added to a case, oldest first."""
    statement = (
        sa.select(case_evidence.c.name, case_evidence.c.sha256)
        .where(case_evidence.c.case_id == case_id)
        .order_by(case_evidence.c.at, case_evidence.c.name)
    )
    return [(row.name, row.sha256) for row in connection.execute(statement)]


def find_attachment(connection: Connection, name: str) -> FiledEvidence | None:
    """What was recorded of a package that a person added; ``None`` if no case names it."""
    statement = case_evidence.select().where(case_evidence.c.name == name)
    row = connection.execute(statement).one_or_none()
    return None if row is None else FiledEvidence(row.case_id, row.name, row.sha256)
