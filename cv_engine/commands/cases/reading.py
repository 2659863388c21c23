"""How commands read the queue: what is there, where its evidence is, and why nothing is listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.commands.cases.tables import zone_of_case
from cv_engine.commands.errors import InputError
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.cases import Queue
    from cv_engine.cases.export.columns import Surroundings


def existing_queue(session: Session) -> Queue:
    """Open the queue to read it; a command that only reads makes none.

    Raises:
        InputError: There is no queue yet.
        QueueError: The queue cannot be opened.
    """
    missing = missing_queue(session)
    if missing is not None:
        raise InputError(missing)
    return session.open_queue()


def missing_queue(session: Session) -> str | None:
    """That there is no queue to read, in words; ``None`` where there is one."""
    queue = session.config.queue
    if not isinstance(queue, Path) or queue.exists():
        return None
    return (
        f"there is no queue at {session.queue_name} yet: `cv-engine analyze` and `watch` make one; "
        "name another folder with --data, or its configuration with --config"
    )


def told_of_list(session: Session, queue: Queue, shown: int) -> str:
    """What a list ends with: how many cases there are, and in which queue.

    Args:
        session: Names the queue.
        queue: The queue.
        shown: How many cases were listed.
    """
    if shown:
        return f"{counted(shown)} of the queue {session.queue_name}"
    every = queue.count()
    if every:
        return f"no case matches: none of {counted(every)} of the queue {session.queue_name}"
    return f"no cases: nothing has been filed in the queue {session.queue_name} yet"


def counted(count: int) -> str:
    """A number of cases in words."""
    return "1 case" if count == 1 else f"{count} cases"


def surroundings(session: Session, queue: Queue) -> Surroundings:
    """What the columns of cases need besides the cases."""
    from cv_engine.cases.export.columns import Surroundings

    return Surroundings(
        verdicts=queue.verdicts,
        zone_of=lambda case: zone_of_case(case, session.config),
        package_at=lambda name: package_at(session, name),
    )


def package_address(session: Session, queue: Queue, name: str) -> str:
    """The folder or address of an evidence package; of one that was deleted, when and by what."""
    purged = queue.purged(name)
    if purged is not None:
        return f"{name} (purged at {purged.at.isoformat()}: {purged.rule})"
    return package_at(session, name)


def package_at(session: Session, name: str) -> str:
    """The folder of an evidence package, or its address in the object store it was sent to."""
    folder, store = session.evidence_root / name, session.config.evidence.store
    return str(folder) if store is None or folder.is_dir() else f"{store.rstrip('/')}/{name}"
