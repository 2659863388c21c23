"""The relays of all outlets, each in a thread of its own, so that none waits for another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog

from cv_engine.cases.database.store import Store
from cv_engine.cases.errors import QueueError
from cv_engine.cases.outbox.outlet import Outlet
from cv_engine.cases.outbox.relay import Counts, Relay

# Seconds between two checks of the database while nothing is due.
_POLL_S = 1.0


class Relays:
    """Sends what waits for some outlets, until it is stopped.

    The threads are daemons: a program that ends does not wait for an outlet that is slow, and what
    is left is sent by the next run.

    Args:
        store: The queue's database.
        outlets: The outlets; their names differ.
        clock: Returns the present time (timezone-aware).
    """

    def __init__(
        self, store: Store, outlets: Iterable[Outlet], clock: Callable[[], datetime]
    ) -> None:
        self._relays = [Relay(store, outlet, clock) for outlet in outlets]
        self._stopping = Event()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def register(self) -> None:
        """Let the outlets receive every event from now on.

        Raises:
            QueueError: The database cannot be written.
        """
        for relay in self._relays:
            relay.register()

    def drain(self) -> Counts:
        """Send everything that is due, then return.

        Raises:
            QueueError: The database cannot be read or written.
        """
        self.register()
        total = Counts()
        for relay in self._relays:
            while counts := relay.run_once():
                total += counts
            relay.outlet.close()
        return total

    def start(self) -> None:
        """Start the threads, which send until :meth:`stop`.

        Raises:
            QueueError: The database cannot be written.
        """
        self.register()
        for relay in self._relays:
            name = f"outlet {relay.outlet.name}"
            thread = Thread(target=self._run, args=(relay,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float = 15.0) -> None:
        """Stop the threads.

        Args:
            timeout_s: How long to wait for the messages that are being sent, seconds: longer than
                an outlet may take to answer. What is not recorded by then is sent again.
        """
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, relay: Relay) -> None:
        log, problem = structlog.get_logger(__name__), ""
        while not self._stopping.is_set():
            try:
                counts = relay.run_once()
            except QueueError as error:
                if str(error) != problem:
                    log.warning("events wait to be sent", outlet=relay.outlet.name, reason=error)
                counts, problem = Counts(), str(error)
            else:
                problem = ""
            if counts:
                shown = {name: getattr(counts, name) for name in counts.__slots__}
                log.info("events", outlet=relay.outlet.name, **shown)
            if not counts.sent and not counts.skipped:
                self._stopping.wait(_POLL_S)
        relay.outlet.close()
