"""What the queue knows of a package's case, as far as courts ask."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cv_engine.cases import Queue
    from cv_engine.cases.filing.filed import FiledEvidence
    from cv_engine.evidence.profiles import CaseFacts


def recorded_at(queue: Queue, evidence: FiledEvidence) -> datetime | None:
    """When a case's history recorded the digest of a package; ``None`` where it did not.

    Raises:
        QueueError: The queue cannot be read.
    """
    if evidence.sha256 is None:
        return None
    for entry in queue.history(evidence.case_id):
        if evidence.sha256 in entry.data.values():
            return entry.at
    return None


def case_facts(queue: Queue, case_id: int) -> CaseFacts:
    """Who reviewed a case, and when notice was given.

    Raises:
        QueueError: The queue cannot be read.
    """
    from cv_engine.cases.lifecycle import Role, State
    from cv_engine.evidence.profiles import CaseFacts

    reviewed_by, notice_at = None, None
    for entry in queue.history(case_id):
        # A person looks; what the engine confirms by itself was not reviewed.
        if entry.to_state is State.CONFIRMED and entry.role != Role.ENGINE:
            reviewed_by = f"{entry.by} ({entry.role})" if entry.role else entry.by
        if entry.to_state in (State.NOTICED, State.CITED) and notice_at is None:
            notice_at = entry.at
        if entry.to_state in (State.REPORTED, State.REJECTED):  # the verdict was taken back
            reviewed_by = None
    return CaseFacts(reviewed_by=reviewed_by, notice_at=notice_at)
