"""Originals: for people whose role allows it, with a reason, after the access is logged."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cv_engine.cases import Actor, Queue, Role
from cv_engine.cases.looks import Look, record_look
from cv_engine.evidence.storage.store import Store
from cv_engine.privacy.errors import PrivacyError

#: What the log calls such an access.
ORIGINALS = "originals"


def package_folder(queue: Queue, store: Store, spool: Path, name: str, scratch: Path) -> Path:
    """A package on this machine, for a program that shows it after the access was logged.

    Args:
        queue: Knows which packages were deleted.
        store: The store.
        spool: The folder that packages are written to.
        name: The package's name.
        scratch: Where a package of object storage is copied to.

    Returns:
        The package's folder.

    Raises:
        PrivacyError: The package was deleted.
        StoreError: The store does not answer, or refuses.
        EvidenceError: The package is damaged.
    """
    purged = queue.purged(name)
    if purged is not None:
        raise PrivacyError(
            f"{name}: was deleted at {purged.at.isoformat()} ({purged.rule}); only its digest is "
            "left, in the case's history"
        )
    folder = spool / name
    return folder if folder.is_dir() or store.in_place else store.fetch(name, scratch)


def log_look_at_originals(
    queue: Queue, case_id: int, by: Actor, why: str, at: datetime
) -> list[str]:
    """Log that somebody looks at the originals of a case, before they are shown.

    Args:
        queue: The cases.
        case_id: The case's number.
        by: Who looks: an officer.
        why: The reason.
        at: Present time (timezone-aware).

    Returns:
        The case's evidence packages that were not deleted.

    Raises:
        ForbiddenError: The person's role does not allow it.
        QueueError: There is no such case, no reason is given, or the log cannot be written.
    """
    by.need(Role.OFFICER, f"look at the originals of case {case_id}")
    names = queue.evidence(case_id)
    record_look(queue.store, Look(by.name, by.role, ORIGINALS, why, at, case_id))
    return [name for name in names if queue.purged(name) is None]
