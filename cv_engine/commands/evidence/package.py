"""An evidence package named on the command line, in a folder or in object storage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.commands.errors import InputError
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.cases import Queue
    from cv_engine.evidence.verify import Problem

NO_QUEUE = (
    "whether this package was filed with its case is not checked: there is no queue beside it; "
    "name one with --data or --config"
)


@dataclass(frozen=True, slots=True)
class NamedPackage:
    """A package.

    Attributes:
        where: Folder or address, as typed.
        name: Name of the package.
        opened: Gives a folder with its files, and the files that no folder can hold.
        folder: The folder that was typed; ``None`` in object storage.
    """

    where: str
    name: str
    opened: Callable[[], AbstractContextManager[tuple[Path, list[Problem]]]]
    folder: Path | None

    @property
    def data(self) -> Path | None:
        """The data folder in which the package lies, as far as its path shows."""
        if self.folder is None:
            return None
        real = self.folder.resolve()
        return real.parents[1] if real.parent.name == "evidence" else None


def named_package(where: str) -> NamedPackage:
    """The package at a folder or address.

    Raises:
        EvidenceError: The address is malformed, or its store cannot be used here.
    """
    from cv_engine.evidence.storage.address import is_address, split_address
    from cv_engine.evidence.storage.opening import open_store
    from cv_engine.evidence.storage.store import checked_name

    if not is_address(where):
        folder = Path(where).absolute()
        return NamedPackage(where, folder.name, lambda: nullcontext((folder, [])), folder)
    address, name = split_address(where)
    name, store = checked_name(name), open_store(address)
    return NamedPackage(where, name, partial(store.opened, name), None)


class Queues:
    """The queues that packages are compared with, each opened once.

    Args:
        session: Names the queue, if any was given.
        stack: Closes them.
    """

    def __init__(self, session: Session, stack: ExitStack) -> None:
        self._session = session
        self._stack = stack
        self._known: dict[object, Queue | str] = {}

    def of(self, package: NamedPackage) -> Queue | str:
        """The queue of a package, or why there is none.

        Raises:
            QueueError, InputError: The queue that was named cannot be used.
        """
        from cv_engine.cases import QueueError, open_queue

        session, known = self._session, self._known
        if session.config_path is not None or session.data is not None:
            named: str | Path = session.config.queue
            is_file = isinstance(named, Path) or "://" not in named
            if is_file and not Path(named).is_file():
                raise InputError(f"{named}: there is no queue; correct --data or --config")
            if named not in known:
                known[named] = self._stack.enter_context(open_queue(named))
            return known[named]
        data = package.data
        if data is None or not (where := data / "queue.db").is_file():
            return NO_QUEUE
        if where not in known:
            try:
                known[where] = self._stack.enter_context(open_queue(where))
            except QueueError as error:
                known[where] = (
                    f"whether this package was filed with its case is not checked: {error}"
                )
        return known[where]

    def data_of(self, package: NamedPackage) -> Path | None:
        """The data folder that belongs to a package: the named one, else that in which it lies."""
        if self._session.config_path is not None or self._session.data is not None:
            return self._session.config.data
        return package.data
