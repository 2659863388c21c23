"""Packages that were deleted by a retention rule, or at a person's request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cv_engine.commands.evidence.package import NamedPackage, Queues

if TYPE_CHECKING:
    from cv_engine.cases.removal.purging import Purged


def purged_since(package: NamedPackage, queues: Queues) -> Purged | None:
    """What the queue recorded of a package that was deleted.

    Returns:
        The record; ``None`` where there is none, or where the package is still there.

    Raises:
        QueueError, InputError: The queue that was named cannot be used.
    """
    if package.folder is not None and package.folder.is_dir():
        return None
    queue = queues.of(package)
    purged = None if isinstance(queue, str) else queue.purged(package.name)
    is_gone = purged is not None and (package.folder is not None or purged.deleted_at is not None)
    return purged if is_gone else None
