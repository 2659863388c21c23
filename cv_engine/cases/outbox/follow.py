"""Following the queue: every event after a given one, in order, and none left out.

An entry of the history gets its number before its transaction is committed. On PostgreSQL, where
several transactions write at once, a lower number may therefore appear after a higher one, and a
reader who asks for numbers above the last one seen would miss it. The horizon is a number below
which nothing can appear any more. It is the highest number seen at a moment, once every transaction
that was under way at that moment has ended: once the oldest transaction of a snapshot is not older
than one that the reader began after that moment. A transaction that writes to the history has
locked or inserted a case before, so it has its own number before its entry has one.

(The ``xmax`` of a snapshot would not do in place of a transaction of the reader's own: it follows
the latest transaction that has ended, and later ones may be under way.)

SQLite has one writer at a time: the order of the numbers is the order of the commits.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import cases, history
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.rows import case_of, entry_of

_AT_ONCE = 1000  # events of one reading
_HIGHEST = sa.select(sa.func.coalesce(sa.func.max(history.c.id), 0))


def _number(of_transaction: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """The number of a transaction, for which PostgreSQL has a type of its own."""
    return sa.cast(sa.cast(of_transaction, sa.Text), sa.BigInteger)


class Follower:
    """Reads the events of a queue as they are committed, in the order of their numbers.

    Args:
        store: The queue's database.
        after: Number of the last entry that is known already; ``None``: everything that is
            committed before the first reading is known.
        since: Events recorded before this time are left out (timezone-aware).
    """

    def __init__(
        self, store: Store, after: int | None = None, since: datetime | None = None
    ) -> None:
        self._store = store
        self._after = after
        self._since = since
        self._horizon: int | None = None
        self._pending: tuple[int, int] | None = None

    @property
    def is_following(self) -> bool:
        """Whether the place to begin at is known: every later event will be read."""
        return self._after is not None

    @property
    def position(self) -> int | None:
        """Number of the last entry that is known; ``None`` before the place to begin at is."""
        return self._after

    def read(self) -> list[CaseEvent]:
        """The next events, some at a time; nothing where there is none at present.

        Raises:
            QueueError: The database cannot be read.
        """
        if self._store.dialect != "sqlite" and self._pending is None:
            with self._store.reading() as connection:
                self._pending = self._mark(connection)
        with self._store.reading() as connection:
            self._move_horizon(connection)
            if self._horizon is None:
                return []
            after = self._horizon if self._after is None else self._after
            events = self._events(connection, after, self._horizon)
        if events:
            self._store.make_durable()  # no news of what a power cut could undo
        return events

    def _mark(self, connection: Connection) -> tuple[int, int] | None:
        """The highest number, and a transaction later than any that may have a lower number."""
        entry = connection.execute(_HIGHEST).scalar_one()
        if entry == self._horizon:
            return None
        own = connection.execute(sa.select(_number(sa.func.pg_current_xact_id()))).scalar_one()
        return entry, own

    def _move_horizon(self, connection: Connection) -> None:
        """Move the horizon on, where all earlier transactions have ended."""
        if self._store.dialect == "sqlite":
            self._horizon = connection.execute(_HIGHEST).scalar_one()
        elif self._pending is not None:
            oldest = sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot())
            if connection.execute(sa.select(_number(oldest))).scalar_one() >= self._pending[1]:
                self._horizon, self._pending = self._pending[0], None

    def _events(self, connection: Connection, after: int, horizon: int) -> list[CaseEvent]:
        events = events_between(connection, after, horizon, self._since)
        full = len(events) == _AT_ONCE
        self._after = events[-1].entry.id if full else max(horizon, after)
        return events


def events_between(
    connection: Connection, after: int, upto: int, since: datetime | None = None
) -> list[CaseEvent]:
    """Some events in the order of their numbers; nothing where there are no more.

    Args:
        connection: Connection to the store.
        after: Only entries with larger numbers.
        upto: Only entries with this number or smaller ones: one below which nothing can appear.
        since: Only entries recorded at or after this time (timezone-aware).
    """
    number = history.c.id
    entries = history.select().where(number > after, number <= upto)
    if since is not None:
        entries = entries.where(history.c.at >= since)
    rows = connection.execute(entries.order_by(number).limit(_AT_ONCE)).all()
    found = cases.select().where(cases.c.id.in_(sorted({row.case_id for row in rows})))
    known = {row.id: case_of(row) for row in connection.execute(found)} if rows else {}
    return [CaseEvent(known[row.case_id], entry_of(row)) for row in rows]
