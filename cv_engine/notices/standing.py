"""The standing of zones: whether notices may go out for the cases of a zone of a camera.

A zone of a camera is *proven* once the last verdicts of people on its cases were all
confirmations. Its notices are *stopped* when a day has far more cases than its past, as with a
wrong map, a moved camera or a rule that began too early; a supervisor releases them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Event
from cv_engine.cases.database.tables import cases, history, notice_zones
from cv_engine.cases.lifecycle import Role, State
from cv_engine.finding import AT_ONCE, NOTICE
from cv_engine.notices.policy import Policy

#: The time in which cases are counted: with a whole day, the hour of the day does not matter.
WINDOW = timedelta(days=1)
#: The past that they are compared with: four weeks have every day of the week as often.
PAST = timedelta(days=28)
#: Older verdicts are of another map, or of another camera.
_VERDICTS_COUNT = timedelta(days=365)
_VERDICTS = (State.CONFIRMED.value, State.REJECTED.value)
_ENGINE = Role.ENGINE.value


@dataclass(frozen=True, slots=True)
class Surge:
    """Far more cases of a zone than its past has.

    Attributes:
        count: Cases of the last day.
        usual: Cases per day of the time before.
    """

    count: int
    usual: float

    def __str__(self) -> str:
        return f"{self.count} cases within a day, usually {self.usual:.1f}"


@dataclass(frozen=True, slots=True)
class Ground:
    """A zone of a camera.

    Attributes:
        source: Name of the camera.
        zone: Name of the zone.
    """

    source: str
    zone: str

    def where(self, table: sa.FromClause) -> sa.ColumnElement[bool]:
        """The condition for the rows of a table that are of this zone."""
        return sa.and_(table.c.source == self.source, table.c.zone == self.zone)


def standing(connection: Connection, ground: Ground) -> sa.Row[Any] | None:
    """The row of table ``notice_zones``; ``None`` where nothing was noted of the zone."""
    found = connection.execute(notice_zones.select().where(ground.where(notice_zones)))
    return found.one_or_none()


def is_stopped(row: sa.Row[Any] | None) -> bool:
    """Whether the notices of a zone are stopped."""
    return row is not None and row.stopped_at is not None


def stopped() -> sa.ColumnElement[bool]:
    """Whether the notices of a case's zone are stopped, for statements that select cases."""
    same = sa.and_(notice_zones.c.source == cases.c.source, notice_zones.c.zone == cases.c.zone)
    return sa.exists().where(same, notice_zones.c.stopped_at.is_not(None))


def verdicts_missing(connection: Connection, ground: Ground, needed: int, now: datetime) -> int:
    """How many more confirmations in a row a zone needs before its notices go out by themselves.

    Args:
        connection: Connection to the store.
        ground: The zone of a camera.
        needed: Confirmations that are needed in all.
        now: The present time (timezone-aware); verdicts on cases of the past year count.
    """
    statement = (
        sa.select(history.c.to_state)
        .join_from(history, cases, cases.c.id == history.c.case_id)
        .where(ground.where(cases), cases.c.began > now - _VERDICTS_COUNT)
        .where(history.c.event == Event.STATE.value)
        .where(history.c.to_state.in_(_VERDICTS), history.c.role != _ENGINE)
        .where(history.c.from_state == State.REPORTED.value)
        .order_by(history.c.id.desc())
        .limit(needed)
    )
    in_a_row = 0
    for state in connection.execute(statement).scalars():
        if state != State.CONFIRMED:
            break
        in_a_row += 1
    return needed - in_a_row


def waiting_for_proof() -> sa.Select[tuple[str, str]]:
    """The zones with reported cases whose notices would go out by themselves."""
    at_once = cases.c.attributes[NOTICE].as_string() == AT_ONCE
    return (
        sa.select(cases.c.source, cases.c.zone)
        .where(cases.c.state == State.REPORTED.value, at_once)
        .distinct()
    )


def note_proven(connection: Connection, ground: Ground, now: datetime) -> None:
    """Remember since when a zone is proven."""
    _set(connection, ground, {"proven_at": now}, notice_zones.c.proven_at.is_(None))


def surge_of(connection: Connection, ground: Ground, policy: Policy, now: datetime) -> Surge | None:
    """Whether a zone has far more cases than its past; ``None`` if not.

    Args:
        connection: Connection to the store.
        ground: The zone of a camera.
        policy: The city's rules.
        now: The present time (timezone-aware).
    """
    since = now - WINDOW
    count, _ = _cases(connection, ground, policy.kinds, since, None)
    if count <= policy.surge_least:
        return None
    past, first = _cases(connection, ground, policy.kinds, since - PAST, since)
    days = 1.0 if first is None else max((since - first) / WINDOW, 1.0)
    usual = past / days
    row, allowed = standing(connection, ground), 0
    if row is not None and row.released_at is not None and now - row.released_at < PAST:
        allowed = row.allowed
    most = max(float(policy.surge_least), policy.surge_factor * max(usual, allowed))
    return Surge(count, usual) if count > most else None


def _cases(
    connection: Connection,
    ground: Ground,
    kinds: Collection[str],
    after: datetime,
    until: datetime | None,
) -> tuple[int, datetime | None]:
    """Number of the cases of a zone that began in a time, and when the first of them did."""
    statement = sa.select(sa.func.count(), sa.func.min(cases.c.began)).where(
        ground.where(cases), cases.c.began > after, cases.c.kind.in_(kinds)
    )
    if until is not None:
        statement = statement.where(cases.c.began <= until)
    count, first = connection.execute(statement).one()
    return int(count), first


def stop(connection: Connection, ground: Ground, by: str, why: str, now: datetime) -> bool:
    """Stop the notices of a zone.

    Args:
        connection: Connection to the store, in a transaction that writes.
        ground: The zone of a camera.
        by: Who stops them.
        why: The reason.
        now: The present time (timezone-aware).

    Returns:
        Whether they were not stopped yet.
    """
    values = {"stopped_at": now, "stopped_by": by, "why": why}
    return _set(connection, ground, values, notice_zones.c.stopped_at.is_(None))


def release(
    connection: Connection, ground: Ground, by: str, kinds: Collection[str], now: datetime
) -> bool:
    """Release the notices of a zone; as many cases a day as now are no surge for four weeks.

    Args:
        connection: Connection to the store, in a transaction that writes.
        ground: The zone of a camera.
        by: Who releases them.
        kinds: Kinds whose cases count.
        now: The present time (timezone-aware).

    Returns:
        Whether they were stopped.
    """
    count, _ = _cases(connection, ground, kinds, now - WINDOW, None)
    changed = connection.execute(
        notice_zones.update()
        .where(ground.where(notice_zones), notice_zones.c.stopped_at.is_not(None))
        .values(stopped_at=None, released_at=now, released_by=by, allowed=count)
    )
    return bool(changed.rowcount)


def _set(
    connection: Connection,
    ground: Ground,
    values: dict[str, Any],
    only: sa.ColumnElement[bool] | None = None,
) -> bool:
    """Set columns of a zone's row, which may be missing; returns whether a row changed."""
    row = {"source": ground.source, "zone": ground.zone, "allowed": 0, **values}
    keys = ["source", "zone"]
    statement: Any
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(notice_zones).values(row)
    else:
        statement = sqlite.insert(notice_zones).values(row)
    statement = statement.on_conflict_do_update(index_elements=keys, set_=values, where=only)
    return connection.execute(statement.returning(notice_zones.c.zone)).first() is not None
