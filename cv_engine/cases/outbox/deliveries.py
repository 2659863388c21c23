"""The deliveries in the database: which events wait for an outlet, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import cases, deliveries, history, outlets
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.rows import case_of, entry_of

#: How long a relay may send before another one takes the outlet over, seconds. Longer than one
#: batch with a last message that times out; a relay that was killed is replaced after this time.
LEASE_S = 60.0
#: No pause and no lease is as long: a time further ahead was written by a clock that was wrong.
LONGEST_AHEAD = timedelta(days=2)
#: When a delivery is due that was never tried, as the trigger writes it: before every other.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_ERROR = 500  # characters of an error that are kept


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that is due.

    Attributes:
        id: Number of the delivery.
        attempts: How often it was tried in vain.
        event: What is to be sent.
    """

    id: int
    attempts: int
    event: CaseEvent


@dataclass(frozen=True, slots=True)
class Failed:
    """A delivery that was not taken.

    Attributes:
        id: Number of the delivery.
        attempts: How often it was tried in vain.
        next_at: When it is tried again.
        error: What the outlet answered.
        dead: Whether it is not tried again by itself.
    """

    id: int
    attempts: int
    next_at: datetime
    error: str
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """Until when an outlet is not sent to, and why.

    Attributes:
        failures: Failures of the outlet itself in a row.
        until: When it may be sent to again; ``None``: at once.
        error: What was wrong; ``None`` where nothing was.
    """

    failures: int = 0
    until: datetime | None = None
    error: str | None = None


class Deliveries:
    """The deliveries of one outlet, for the relay that sends them.

    Args:
        store: The queue's database.
        outlet: Name of the outlet.
        holder: Name of the relay, unlike that of any other.
    """

    def __init__(self, store: Store, outlet: str, holder: str) -> None:
        self._store = store
        self._outlet = outlet
        self._holder = holder

    def register(self, now: datetime) -> None:
        """Let the outlet receive what happens from now on; without effect if it does already."""
        insert = postgresql.insert if self._store.dialect == "postgresql" else sqlite.insert
        known = sa.select(outlets.c.name).where(outlets.c.name == self._outlet)
        with self._store.reading() as connection:
            if connection.execute(known).first() is not None:
                return
        row = {"name": self._outlet, "since": now}
        with self._store.writing() as connection:
            connection.execute(insert(outlets).values(row).on_conflict_do_nothing())

    def due(self, now: datetime, most: int) -> list[Waiting]:
        """The deliveries that may be sent now, in the order in which to send them.

        A case's deliveries are sent in order: none is due while an earlier one of its case is dead
        or waits for its next attempt.

        Args:
            now: The present time (timezone-aware).
            most: The most deliveries to return.
        """
        with self._store.reading() as connection:
            statement = _due(self._outlet, now).limit(most)
            rows = connection.execute(statement).all()
            if not rows:
                return []
            known = {row.id: case_of(row) for row in _cases(connection, {r.case_id for r in rows})}
        self._store.make_durable()  # no news of what a power cut could undo
        return [
            Waiting(row.delivery_id, row.attempts, CaseEvent(known[row.case_id], entry_of(row)))
            for row in rows
        ]

    def claim(self, now: datetime) -> Rest | None:
        """Take the outlet's lease, so that no other relay sends to it meanwhile.

        Args:
            now: The present time (timezone-aware).

        Returns:
            The outlet's condition; ``None`` where it rests, another relay holds it, or it was
            removed.
        """
        columns = outlets.c
        free = sa.or_(columns.lease_by.is_(None), columns.lease_by == self._holder)
        ended = sa.or_(free, _passed(columns.lease_until, now))
        rested = sa.or_(columns.next_at.is_(None), _passed(columns.next_at, now))
        statement = (
            outlets.update()
            .where(columns.name == self._outlet, ended, rested)
            .values(lease_by=self._holder, lease_until=now + timedelta(seconds=LEASE_S))
            .returning(columns.attempts, columns.error)
        )
        with self._store.reading() as connection:  # no write, and no wait for one, in vain
            asked = sa.select(columns.name).where(columns.name == self._outlet, ended, rested)
            if connection.execute(asked).first() is None:
                return None
        with self._store.writing() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else Rest(row.attempts, error=row.error)

    def record(self, done: Sequence[int], failed: Sequence[Failed], rest: Rest) -> None:
        """Record what became of a batch, and give the lease back, in one transaction.

        What was acknowledged is removed even where the lease was lost meanwhile: the outlet has it.

        Args:
            done: Numbers of the deliveries that were acknowledged.
            failed: The deliveries that were not.
            rest: The outlet's condition.
        """
        of_outlet = outlets.update().where(
            outlets.c.name == self._outlet, outlets.c.lease_by == self._holder
        )
        condition = {"attempts": rest.failures, "next_at": rest.until, "error": _cut(rest.error)}
        with self._store.writing() as connection:
            if done:
                connection.execute(deliveries.delete().where(deliveries.c.id.in_(done)))
            for each in failed:
                values = {
                    "attempts": each.attempts,
                    "next_at": each.next_at,
                    "error": _cut(each.error),
                    "dead_at": each.next_at if each.dead else None,
                }
                of_delivery = deliveries.update().where(deliveries.c.id == each.id)
                connection.execute(of_delivery.values(values))
            connection.execute(of_outlet.values(**condition, lease_by=None, lease_until=None))


def _cut(error: str | None) -> str | None:
    return None if error is None else error.replace("\0", " ")[:_LONGEST_ERROR]


def _passed(column: Any, now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(column <= now, column > now + LONGEST_AHEAD)


def _due(outlet: str, now: datetime) -> sa.Select[Any]:
    own, tried = deliveries.c, _tried(outlet, now)
    # An earlier entry of the case is dead or has to wait, or would be sorted behind this one.
    free = sa.or_(tried.c.held.is_(None), own.entry_id <= tried.c.held)
    in_order = sa.or_(own.entry_id <= tried.c.first, own.next_at >= tried.c.latest)
    return (
        sa.select(history, own.id.label("delivery_id"), own.attempts)
        .join_from(deliveries, history, history.c.id == own.entry_id)
        .join(tried, tried.c.case_id == own.case_id, isouter=True)
        .where(own.outlet == outlet, own.dead_at.is_(None), _passed(own.next_at, now))
        .where(sa.or_(tried.c.case_id.is_(None), sa.and_(free, in_order)))
        .order_by(own.next_at, own.id)
    )


def _tried(outlet: str, now: datetime) -> sa.Subquery:
    """The cases with deliveries that were tried in vain: few, however many wait behind them."""
    own = deliveries.c
    waits = sa.or_(own.dead_at.is_not(None), sa.not_(_passed(own.next_at, now)))
    return (
        sa.select(
            own.case_id,
            sa.func.min(sa.case((waits, own.entry_id))).label("held"),
            sa.func.min(own.entry_id).label("first"),
            sa.func.max(own.next_at).label("latest"),
        )
        .where(own.outlet == outlet, own.next_at > AT_ONCE)
        .group_by(own.case_id)
        .subquery()
    )


def _cases(connection: Connection, numbers: Iterable[int]) -> Sequence[Any]:
    return connection.execute(cases.select().where(cases.c.id.in_(sorted(numbers)))).all()
