"""The outbox: packages that are written and not yet uploaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cv_engine.cases import Queue
from cv_engine.evidence.errors import EvidenceError, StoreError, from_os_error
from cv_engine.evidence.naming import is_note, key_in
from cv_engine.evidence.staging import locked, staged, sweep
from cv_engine.evidence.storage.store import Store, packages_in


@dataclass(frozen=True, slots=True)
class Sending:
    """The outcome of an upload.

    Attributes:
        sent: Names of the packages that the store holds now.
        unsent: Names of the packages that still wait, each with the reason.
    """

    sent: list[str] = field(default_factory=list)
    unsent: dict[str, str] = field(default_factory=dict)


class Outbox:
    """The packages that wait to be sent to a store.

    A package waits in the spool, the folder that packages are written to, until the store holds
    all of it; only then is the local copy removed. There is no other record, so a run that is
    killed at any moment leaves each package whole in the spool or in the store. Several processes
    may share a spool.

    A package that no case names yet is not sent: a run that was killed between writing and filing
    must find the package here again, or it would write another one of the same name.

    Args:
        spool: The folder that packages are written to.
        store: The store to send packages to; nothing is sent if that is the spool itself.
        queue: Knows which packages are named by a case.
    """

    def __init__(self, spool: Path, store: Store, queue: Queue) -> None:
        self._spool = spool
        self._store = store
        self._queue = queue

    @property
    def in_place(self) -> bool:
        """Whether packages are kept where they are written, so that none ever waits."""
        return self._store.in_place

    def waiting(self) -> list[str]:
        """Returns the names of all packages that are not sent yet, sorted.

        Raises:
            EvidenceError: The spool cannot be read.
        """
        return [] if self.in_place else packages_in(self._spool)

    def send_waiting(self, may_send: Callable[[], bool] = lambda: True) -> Sending:
        """Sends the packages that wait, and removes the local copies; call from time to time.

        Sending ends at the first package for which the store does not answer, after the store's
        patience (20 s, at worst 40 s). A package that the store refuses for its content (damaged,
        or another package of that name is there) stays, and does not delay the others.

        Args:
            may_send: Called before each package; sending ends when it returns ``False``.

        Raises:
            EvidenceError: The spool cannot be read.
            QueueError: The queue cannot be read.
        """
        sending = Sending()
        if not self.in_place:
            sweep(self._spool)  # half-removed packages of a run that was killed
        names = self.waiting()
        for number, name in enumerate(names):
            if not may_send():
                break
            try:
                if self._is_filed(name) and self._send(name):
                    sending.sent.append(name)
            except StoreError as error:
                sending.unsent.update(dict.fromkeys(names[number:], str(error)))
                break
            except EvidenceError as error:
                sending.unsent[name] = str(error)
        return sending

    def _is_filed(self, name: str) -> bool:
        """Whether a case names a package, which was not deleted by a rule since."""
        if self._queue.purged(name) is not None:
            return False
        if is_note(name):
            return self._queue.attachment(name) is not None
        key = key_in(name)
        return key is not None and self._queue.evidence_of(key) == name

    def _send(self, name: str) -> bool:
        """Sends and removes a package; ``False`` if it is gone or another process sends it."""
        folder = self._spool / name
        try:
            with locked(folder) as is_mine:
                if is_mine:
                    self._store.put(folder)
                    # Moved away in one step: a half-removed folder must not look like a package.
                    with staged(self._spool, name) as discarded:
                        folder.rename(discarded / name)
                return is_mine
        except OSError as error:
            raise from_os_error(error, folder) from error
