"""Packages that were written here and are kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cv_engine.cases import Queue
from cv_engine.evidence.errors import EvidenceError, StoreError, from_os_error
from cv_engine.evidence.staging import held, staged, sweep
from cv_engine.evidence.storage.store import Store, packages_in


@dataclass(frozen=True, slots=True)
class Sending:
    """What came of sending.

    Attributes:
        sent: Names of the packages that the store holds now.
        unsent: Names of those that wait on, and why.
    """

    sent: list[str] = field(default_factory=list)
    unsent: dict[str, str] = field(default_factory=dict)


class Outbox:
    """The packages that wait to be sent to a store.

    A package waits in the spool, which is the folder it was written to, until the store holds it
    whole; only then is it removed. Nothing else is noted down, so a run that is killed at any
    moment leaves it either waiting or kept. Several processes may share a spool.

    What no case names yet is not sent: a run that was killed between writing and filing must find
    it here again, or it would make another package of the same name.

    Args:
        spool: The folder that packages are written to.
        store: Where they are to be kept; where that is the spool itself, nothing has to be done.
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
        """Gives the names of all packages that are not sent yet, sorted.

        Raises:
            EvidenceError: The spool cannot be read.
        """
        return [] if self.in_place else packages_in(self._spool)

    def send_waiting(self, go_on: Callable[[], bool] = lambda: True) -> Sending:
        """Sends what waits, and removes it here; to be called now and then.

        Ends at the first package for which the store does not answer: with the patience of the
        store that takes 20 s, 40 s at worst. One that the store does not take for what it is (it
        is damaged, or another one of its name is there) stays, and holds up no other.

        Args:
            go_on: Asked before each package; nothing more is sent once it says no.

        Raises:
            EvidenceError: The spool cannot be read.
            QueueError: The queue cannot be asked.
        """
        sending = Sending()
        if not self.in_place:
            sweep(self._spool)  # what was being removed when a run was killed
        names = self.waiting()
        for number, name in enumerate(names):
            if not go_on():
                break
            try:
                if self._is_filed(name) and self._sent(name):
                    sending.sent.append(name)
            except StoreError as error:
                sending.unsent.update(dict.fromkeys(names[number:], str(error)))
                break
            except EvidenceError as error:
                sending.unsent[name] = str(error)
        return sending

    def _is_filed(self, name: str) -> bool:
        """Whether a case names a package, which ends in its finding's key."""
        return self._queue.evidence_of(name.rpartition("-")[2]) == name

    def _sent(self, name: str) -> bool:
        """Sends a package and removes it; ``False`` if it is gone or another process is at it."""
        folder = self._spool / name
        try:
            with held(folder) as mine:
                if mine:
                    self._store.put(folder)
                    # Out of sight in one step: what is half removed must not look like a package.
                    with staged(self._spool, name) as doomed:
                        folder.rename(doomed / name)
                return mine
        except OSError as error:
            raise from_os_error(error, folder) from error
