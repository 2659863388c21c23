"""Live updates: every event of the queue, to all who listen, from where each has stopped.

One task follows the queue for all listeners, and keeps the latest events. Who resumes from before
these reads the rest from the history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import structlog

from cv_engine.cases import QueueError
from cv_engine.cases.database.store import Store
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.follow import Follower, events_between

#: Seconds between two readings: people do not notice less.
EVERY_S = 1.0
#: Seconds after which a listener hears something where nothing happens: proxies close connections
#: that are silent for a minute, and whoever may not listen any more is found out.
PULSE_S = 15.0
_KEPT = 1000  # events: a busy minute of a city


class Events:
    """Follows a queue for all who listen; made and used in one event loop.

    Args:
        store: The store of the cases.
        pulse_s: Seconds after which a listener hears something.
    """

    def __init__(self, store: Store, pulse_s: float = PULSE_S) -> None:
        self._store = store
        self._pulse_s = pulse_s
        self._follower = Follower(store)
        self._latest: deque[CaseEvent] = deque()
        self._before = 0  # number of the last entry that is not among the latest
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._stopped = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the queue until told to stop; then all listeners end."""
        problem = ""
        while not stopping.is_set():
            try:
                found = await asyncio.to_thread(self._follower.read)
                problem = ""
            except QueueError as error:
                found = []
                if str(error) != problem:
                    structlog.get_logger(__name__).warning("events wait", reason=str(error))
                problem = str(error)
            self._publish(found)
            if not found:
                await _waited(stopping, EVERY_S)
        self._stopped = True
        self._ready.set()
        self._news.set()

    def _publish(self, found: list[CaseEvent]) -> None:
        position = self._follower.position
        if position is not None and not self._ready.is_set():
            self._before = position
            self._ready.set()
        self._latest.extend(found)
        while len(self._latest) > _KEPT:
            self._before = self._latest.popleft().entry.id
        if found:
            self._news.set()
            self._news = asyncio.Event()

    async def after(self, number: int | None) -> AsyncIterator[CaseEvent | None]:
        """The events after a number, then those that happen; ``None`` as a pulse.

        Args:
            number: Number of the last entry that the listener has; ``None``: from now on.
        """
        await self._ready.wait()
        now = self._follower.position or 0
        position = now if number is None else min(number, now)
        loop = asyncio.get_running_loop()
        pulse_at = loop.time() + self._pulse_s
        while not self._stopped:
            news = self._news
            for event in await self._next(position):
                position = event.entry.id
                yield event
            if news is self._news and position >= self._last():
                await _waited(news, pulse_at - loop.time())
            if loop.time() >= pulse_at:
                pulse_at = loop.time() + self._pulse_s
                yield None

    def _last(self) -> int:
        """The highest number that is known to listeners."""
        return self._latest[-1].entry.id if self._latest else self._before

    async def _next(self, position: int) -> list[CaseEvent]:
        """Some events after a number, in order."""
        before = self._before
        if position >= before:
            return [event for event in self._latest if event.entry.id > position]
        found = await asyncio.to_thread(self._read, position, before)
        return found or [event for event in self._latest if event.entry.id > before]

    def _read(self, after: int, upto: int) -> list[CaseEvent]:
        with self._store.reading() as connection:
            return events_between(connection, after, upto)


async def _waited(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most for some seconds."""
    try:
        await asyncio.wait_for(event.wait(), max(seconds, 0))
    except TimeoutError:
        return
