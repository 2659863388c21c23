"""Moving a queue to another database: closed, copied, verified."""

from __future__ import annotations

import sqlalchemy as sa

from cv_engine.cases.database.closing import close, moved_to, reopen
from cv_engine.cases.database.copying import (
    Copied,
    Progress,
    check_empty,
    copy_queue,
    verify_copy,
)
from cv_engine.cases.database.store import COPYING, Store
from cv_engine.cases.database.tables import cases
from cv_engine.cases.errors import QueueError


def move_queue(source: Store, target: Store, progress: Progress) -> Copied:
    """Close a queue, copy it, and verify the copy; resumed where an interrupted move ended.

    The source is closed first, so that nothing filed in the meantime is left behind: from then on
    its database refuses every change, and live streams keep their findings until they are started
    with the new address.

    Args:
        source: The queue; its content stays as it is.
        target: An empty store, or one with a part of this queue, opened with ``unfinished=True``.
        progress: Receives the progress.

    Raises:
        QueueError: The target holds other data, or the queue has moved somewhere else.
    """
    name = str(target.name)
    if name == str(source.name):
        raise QueueError(f"{name} is the queue itself: name another database")
    with source.reading() as connection:
        before = moved_to(connection)
    if before not in (None, name):
        raise QueueError(
            f"{source.name} has moved to {before}: that is where its cases are; `cv-engine cases "
            "move --undo` opens the old queue again"
        )
    if before is None:
        if not _unfinished(target):
            with target.reading() as connection:
                check_empty(connection, name)
        with source.writing() as connection:
            close(connection, name)
    elif not _unfinished(target) and _filled(target):
        with source.snapshot() as reading:  # moved before: is all of it there?
            return Copied(verify_copy(reading, target))
    return copy_queue(source, target, progress)


def undo_move(source: Store) -> str:
    """Open a queue again that has moved, and return where it had moved.

    Raises:
        QueueError: The queue has not moved.
    """
    with source.writing() as connection:
        target = moved_to(connection)
        if target is None:
            raise QueueError(f"{source.name} has not moved: it is in use")
        reopen(connection)
        return target


def _unfinished(target: Store) -> bool:
    with target.reading() as connection:
        return sa.inspect(connection).has_table(COPYING)


def _filled(target: Store) -> bool:
    with target.reading() as connection:
        return connection.execute(sa.select(cases.c.id).limit(1)).first() is not None
