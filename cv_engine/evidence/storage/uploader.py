"""Sends evidence beside the work that makes it, so that no look ever waits for a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Event, Thread

import structlog

from cv_engine.cases import QueueError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.outbox import Outbox

# How often is looked for packages that wait, seconds; and how long a store is let alone that did not
# answer: one that is away comes back in minutes.
EVERY_S = 60.0


class Uploader:
    """A thread that sends what waits in an outbox: soon after it is told, and now and then.

    It is a daemon: a program that ends does not wait for it, and what it was sending waits for the
    next run. Where packages are kept in place there is no thread.

    Args:
        outbox: What waits.
        every_s: How often it is looked at, seconds; for so long, too, nothing is tried again after
            something could not be sent.
        paused: Asked before each package: nothing is sent while it says yes.
    """

    def __init__(
        self,
        outbox: Outbox,
        every_s: float = EVERY_S,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._outbox = outbox
        self._every_s = every_s
        self._paused = paused
        self._woken = Event()
        self._stopping = Event()
        self._told: set[str] = set()
        self._thread = Thread(target=self._run, name="uploads", daemon=True)

    def start(self) -> None:
        """Begins with what an earlier run left."""
        if not self._outbox.in_place:
            self._thread.start()

    def soon(self) -> None:
        """Says that a package has been filed; returns at once."""
        self._woken.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Sends nothing more.

        Args:
            timeout_s: How long to wait for the package that is being sent, seconds; ``None``: until
                it is sent, or the store does not answer.

        Returns:
            Whether it has come to its end.
        """
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            if self._sent_all():
                self._woken.wait(self._every_s)
            else:
                self._stopping.wait(self._every_s)

    def _sent_all(self) -> bool:
        """Sends what waits; ``False`` if something of it cannot be sent now."""
        try:
            unsent = Counter(self._outbox.send_waiting(self._may_send).unsent.values())
        except (EvidenceError, QueueError) as error:
            unsent = Counter([str(error)])
        self._tell(unsent)
        return not unsent

    def _may_send(self) -> bool:
        return not self._stopping.is_set() and not self._paused()

    def _tell(self, unsent: Counter[str]) -> None:
        """Logs each reason once, until it is over."""
        log = structlog.get_logger(__name__)
        for reason, packages in unsent.items():
            if reason not in self._told:
                log.warning("evidence waits to be sent", packages=packages, reason=reason)
        if self._told and not unsent:
            log.info("evidence is being sent again")
        self._told = set(unsent)
