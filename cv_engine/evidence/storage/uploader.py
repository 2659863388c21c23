"""Uploads evidence in a thread of its own, so that sampling never waits for a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Event, Thread

import structlog

from cv_engine.cases import QueueError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.outbox import Outbox

# Seconds between uploads, and before a retry: a store that is away comes back in minutes.
EVERY_S = 60.0


class Uploader:
    """A thread that sends the packages of an outbox, on request and periodically.

    The thread is a daemon: a program that ends does not wait for it, and the next run sends what
    is left. There is no thread if packages are kept where they are written.

    Args:
        outbox: The packages to send.
        every_s: Seconds between two uploads, and before a retry after a failure.
        paused: Called before each package; nothing is sent while it returns ``True``.
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
        self._requested = Event()
        self._stopping = Event()
        self._logged: set[str] = set()
        self._thread = Thread(target=self._run, name="uploads", daemon=True)

    def start(self) -> None:
        """Starts the thread, which first sends what an earlier run left."""
        if not self._outbox.in_place:
            self._thread.start()

    def soon(self) -> None:
        """Requests an upload, since a package has been filed; returns at once."""
        self._requested.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Ends the upload.

        Args:
            timeout_s: How long to wait for the package that is being sent, seconds; ``None``: until
                it is sent or the store is given up.

        Returns:
            Whether the thread has ended.
        """
        self._stopping.set()
        self._requested.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._requested.clear()
            if self._sent_all():
                self._requested.wait(self._every_s)
            else:
                self._stopping.wait(self._every_s)

    def _sent_all(self) -> bool:
        """Sends the packages that wait; ``False`` if one of them cannot be sent now."""
        try:
            unsent = Counter(self._outbox.send_waiting(self._may_send).unsent.values())
        except (EvidenceError, QueueError) as error:
            unsent = Counter([str(error)])
        self._log(unsent)
        return not unsent

    def _may_send(self) -> bool:
        return not self._stopping.is_set() and not self._paused()

    def _log(self, unsent: Counter[str]) -> None:
        """Logs each reason once, until it no longer applies."""
        log = structlog.get_logger(__name__)
        for reason, packages in unsent.items():
            if reason not in self._logged:
                log.warning("evidence waits to be sent", packages=packages, reason=reason)
        if self._logged and not unsent:
            log.info("evidence is being sent again")
        self._logged = set(unsent)
