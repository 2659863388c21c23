"""The outbox as a person sees it: what waits for each outlet, and the dead letters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import deliveries, history, outlets
from cv_engine.cases.outbox.deliveries import AT_ONCE
from cv_engine.cases.outbox.errors import OutletError


@dataclass(frozen=True, slots=True)
class OutletState:
    """An outlet and what waits for it.

    Attributes:
        name: Name of the outlet.
        since: From when on it receives events (UTC).
        waiting: Number of events that wait, without dead letters.
        oldest: When the oldest of them happened (UTC); ``None`` where none waits.
        dead: Number of dead letters.
        rests_until: Until when nothing is sent (UTC): the outlet is away, or had its digest.
        error: What it answered last; ``None`` after an acknowledgement.
    """

    name: str
    since: datetime
    waiting: int
    oldest: datetime | None
    dead: int
    rests_until: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that an outlet did not take, and that is not tried again by itself.

    Attributes:
        id: Number of the delivery.
        outlet: Name of the outlet.
        case_id: The case's number.
        seq: Number of the entry in the case's history.
        event: What happened.
        at: When it happened (UTC).
        attempts: How often it was tried.
        dead_at: When it was given up (UTC).
        error: What the outlet answered last.
    """

    id: int
    outlet: str
    case_id: int
    seq: int
    event: str
    at: datetime
    attempts: int
    dead_at: datetime
    error: str


class Overview:
    """What waits for all outlets.

    Args:
        store: The queue's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def outlets(self) -> list[OutletState]:
        """Every outlet that receives events, by name."""
        is_dead = deliveries.c.dead_at.is_not(None)
        waits = sa.case((is_dead, None), else_=deliveries.c.entry_id)
        counted = (
            sa.select(
                deliveries.c.outlet,
                sa.func.count(waits).label("waiting"),
                sa.func.min(waits).label("oldest"),
                sa.func.count(deliveries.c.dead_at).label("dead"),
            )
            .group_by(deliveries.c.outlet)
            .subquery()
        )
        statement = (
            sa.select(outlets, counted.c.waiting, counted.c.dead, history.c.at)
            .join_from(outlets, counted, counted.c.outlet == outlets.c.name, isouter=True)
            .join(history, history.c.id == counted.c.oldest, isouter=True)
            .order_by(outlets.c.name)
        )
        with self._store.reading() as connection:
            return [
                OutletState(
                    name=row.name,
                    since=row.since,
                    waiting=row.waiting or 0,
                    oldest=row.at,
                    dead=row.dead or 0,
                    rests_until=row.next_at,
                    error=row.error,
                )
                for row in connection.execute(statement)
            ]

    def dead_letters(self, outlet: str | None = None) -> list[DeadLetter]:
        """The dead letters, oldest first.

        Args:
            outlet: Only those of this outlet; ``None``: of all.
        """
        own = deliveries.c
        columns = (own.id, own.outlet, own.case_id, own.attempts, own.dead_at, own.error)
        statement = (
            sa.select(*columns, history.c.seq, history.c.event, history.c.at)
            .join_from(deliveries, history, history.c.id == own.entry_id)
            .where(own.dead_at.is_not(None))
            .order_by(own.id)
        )
        if outlet is not None:
            statement = statement.where(own.outlet == outlet)
        with self._store.reading() as connection:
            return [DeadLetter(**row._mapping) for row in connection.execute(statement)]

    def resend(self, numbers: Collection[int] | None = None) -> int:
        """Let dead letters be sent again, as if they had never been tried.

        Args:
            numbers: Numbers of the deliveries; ``None``: all dead letters.

        Returns:
            How many they are.

        Raises:
            OutletError: There is no dead letter of a number; nothing was changed.
        """
        values = {"dead_at": None, "attempts": 0, "next_at": AT_ONCE}
        return self._change(deliveries.update().values(values), numbers)

    def drop(self, numbers: Collection[int] | None = None) -> int:
        """Discard dead letters; the later events of their cases are then sent.

        Args:
            numbers: Numbers of the deliveries; ``None``: all dead letters.

        Returns:
            How many they were.

        Raises:
            OutletError: There is no dead letter of a number; nothing was changed.
        """
        return self._change(deliveries.delete(), numbers)

    def remove(self, outlet: str) -> int:
        """Let an outlet receive no more events, and discard those that wait for it.

        Returns:
            How many waited.

        Raises:
            OutletError: There is no such outlet.
        """
        with self._store.writing() as connection:
            gone = connection.execute(outlets.delete().where(outlets.c.name == outlet))
            if not gone.rowcount:
                raise OutletError(
                    f"there is no outlet {outlet!r}: `cv-engine outlets list` shows the names"
                )
            waiting = deliveries.delete().where(deliveries.c.outlet == outlet)
            return int(connection.execute(waiting).rowcount)

    def _change(self, statement: Any, numbers: Collection[int] | None) -> int:
        dead = deliveries.c.dead_at.is_not(None)
        with self._store.writing() as connection:
            if numbers is None:
                return int(connection.execute(statement.where(dead)).rowcount)
            for number in sorted(set(numbers)):
                changed = statement.where(dead, deliveries.c.id == number)
                if not (0 < number < 2**31 and connection.execute(changed).rowcount):
                    raise OutletError(
                        f"there is no dead letter {number}: `cv-engine outlets dead` shows the "
                        "numbers; nothing was changed"
                    )
            return len(set(numbers))
