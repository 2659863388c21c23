"""What the queue knows of a package's case, as far as courts ask."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cv_engine.cases import Case, Queue
    from cv_engine.cases.filing.filed import FiledEvidence
    from cv_engine.cases.removal.retention import Rules
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


def case_facts(queue: Queue, case_id: int, retention: Rules | None) -> CaseFacts:
    """Who reviewed a case, when notice was given, and when its pictures are destroyed.

    Args:
        queue: The queue.
        case_id: The case's number.
        retention: The city's rules; ``None`` where they are not known.

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
    destroyed = None if retention is None else _destroyed(queue.get(case_id), retention)
    return CaseFacts(reviewed_by=reviewed_by, notice_at=notice_at, destroyed=destroyed)


def _destroyed(case: Case, retention: Rules) -> str:
    """When a case's pictures are destroyed, in words; empty where no rule says so."""
    from cv_engine.cases.lifecycle import State

    ended_at = case.result.ended_at
    if ended_at is None:  # a sheet is served while the case is open, and the citation follows
        kept_until = retention.kept_until(case.kind, "cited", case.began)
        days = None if kept_until is None else (kept_until - case.began).days
        return "" if days is None else f"{days} days after the case has ended"
    was = "cited" if case.result.outcome == "cited" else "closed"
    was = "rejected" if case.state in (State.REJECTED, State.WITHDRAWN) else was
    until = retention.kept_until(case.kind, was, ended_at)
    return "" if until is None else until.date().isoformat()
