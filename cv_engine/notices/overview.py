"""The notices as a person sees them: what was sent, what an operator has to look at, the zones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import cases, notice_zones, notices
from cv_engine.cases.lifecycle import Actor, Role, State
from cv_engine.notices import standing
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.outbox import LETTERS, NoticeState
from cv_engine.notices.standing import Ground

_LARGEST_ID = 2**31 - 1  # what PostgreSQL's integer holds


@dataclass(frozen=True, slots=True)
class Notice:
    """The notice of a case, or why there is none.

    Attributes:
        id: Number of the notice.
        case_id: The case's number.
        plate: Text of the plate; ``None`` where none was read with confidence.
        way: The way of the case: ``"notice"``, ``"asked"``, ``"officer"`` or ``"exempt"``.
        reason: Why.
        state: State of the notice.
        attempts: How often it was tried.
        decided_at: When the way was decided (UTC).
        sent_at: When the gateway took the message (UTC).
        leave_by: Until when the driver may leave (UTC).
        error: What went wrong last.
        text: The text; ``None`` before the first attempt.
    """

    id: int
    case_id: int
    plate: str | None
    way: str
    reason: str
    state: str
    attempts: int
    decided_at: datetime
    sent_at: datetime | None
    leave_by: datetime | None
    error: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class ZoneState:
    """A zone of a camera, as far as its notices are concerned.

    Attributes:
        source: Name of the camera.
        zone: Name of the zone.
        proven_at: Since when its notices may go out by themselves (UTC); ``None``: they may not.
        missing: Confirmations in a row that are missing for that.
        stopped_at: Since when its notices are stopped (UTC); ``None``: they are not.
        stopped_by: Who stopped them.
        why: Why they were stopped last.
        released_at: When they were released last (UTC).
        released_by: Who released them.
    """

    source: str
    zone: str
    proven_at: datetime | None
    missing: int
    stopped_at: datetime | None
    stopped_by: str | None
    why: str | None
    released_at: datetime | None
    released_by: str | None


class Overview:
    """The notices of a queue.

    Args:
        store: The queue's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def notices(
        self, states: Collection[str] = (), case_id: int | None = None, most: int | None = None
    ) -> list[Notice]:
        """The notices, the latest first.

        Args:
            states: Only those in these states; all where empty.
            case_id: Only those of this case.
            most: The most notices to return; ``None``: all.
        """
        columns = [notices.c[name] for name in Notice.__dataclass_fields__]
        statement = sa.select(*columns).order_by(notices.c.id.desc()).limit(most)
        if states:
            statement = statement.where(notices.c.state.in_(states))
        if case_id is not None:
            statement = statement.where(notices.c.case_id == case_id)
        with self._store.reading() as connection:
            return [Notice(**row._mapping) for row in connection.execute(statement)]

    def resend(self, numbers: Collection[int] | None, by: Actor, now: datetime) -> int:
        """Let dead and doubtful notices be sent again, as if they had never been tried.

        A doubtful one may then reach the driver twice, unless the gateway heeds its key. The grace
        time begins again. A notice whose case is no longer noticed is not sent.

        Args:
            numbers: Numbers of notices; ``None``: all dead ones, but no doubtful one.
            by: Who decides, for the histories.
            now: The present time (timezone-aware).

        Returns:
            How many they are.

        Raises:
            ForbiddenError: The person may not send notices.
            NoticeError: A number is not that of a dead or doubtful notice of a noticed case;
                nothing was changed.
        """
        by.need(Role.OFFICER, "send notices again")
        with self._store.writing() as connection:
            chosen = self._chosen(connection, numbers)
            for row in chosen:
                case = LockedCase.of(connection, row.case_id, now)
                again = (
                    notices.update()
                    .where(notices.c.id == row.id)
                    .values(
                        state=NoticeState.WAITING.value,
                        next_at=now,
                        first_tried_at=None,
                        leave_by=None,
                        escalated_at=None,
                    )
                )
                connection.execute(again)
                data = {"notice": row.key, "state": NoticeState.WAITING.value}
                case.record(Event.NOTICE, by, "the notice is sent again", data=data)
            return len(chosen)

    def _chosen(self, connection: Connection, numbers: Collection[int] | None) -> list[Any]:
        possible = (
            sa.select(notices.c.id, notices.c.case_id, notices.c.key)
            .join_from(notices, cases, cases.c.id == notices.c.case_id)
            .where(cases.c.state == State.NOTICED.value)
            .order_by(notices.c.id)
        )
        if numbers is None:
            dead = possible.where(notices.c.state == NoticeState.DEAD.value)
            return list(connection.execute(dead).all())
        known = [number for number in set(numbers) if 0 < number <= _LARGEST_ID]
        letters = possible.where(notices.c.state.in_(LETTERS), notices.c.id.in_(known))
        found = list(connection.execute(letters).all())
        missing = sorted(set(numbers) - {row.id for row in found})
        if missing:
            raise NoticeError(
                f"notice {missing[0]} is not a dead or doubtful one of a case that is still "
                "noticed: `cv-engine notices list` shows the numbers; nothing was changed"
            )
        return found

    def zones(self, proof: int, now: datetime) -> list[ZoneState]:
        """The zones that wait for proof, were proven, stopped or released, by camera and name.

        Args:
            proof: Confirmations in a row that prove a zone.
            now: The present time (timezone-aware).
        """
        with self._store.reading() as connection:
            rows = connection.execute(notice_zones.select()).all()
            known: dict[Ground, sa.Row[Any] | None] = {
                Ground(row.source, row.zone): row for row in rows
            }
            for row in connection.execute(standing.waiting_for_proof()):
                known.setdefault(Ground(row.source, row.zone), None)
            ordered = sorted(known, key=lambda each: (each.source, each.zone))
            return [_zone_state(connection, each, known[each], proof, now) for each in ordered]

    def stop(self, ground: Ground, by: Actor, why: str, now: datetime) -> None:
        """Stop the notices of a zone, by a supervisor.

        Raises:
            ForbiddenError: The person is no supervisor.
            NoticeError: The notices are stopped already, or no case was found in such a zone.
        """
        by.need(Role.SUPERVISOR, f"stop the notices of zone {ground.zone}")
        with self._store.writing() as connection:
            known = sa.select(cases.c.id).where(ground.where(cases)).limit(1)
            if connection.execute(known).first() is None:
                raise NoticeError(
                    f"no case was found in zone {ground.zone!r} of camera {ground.source!r}: "
                    "check both names"
                )
            if not standing.stop(connection, ground, by.name, why, now):
                raise NoticeError(f"the notices of zone {ground.zone} are stopped already")

    def release(self, ground: Ground, by: Actor, kinds: Collection[str], now: datetime) -> None:
        """Release the notices of a zone, by a supervisor.

        Args:
            ground: The zone of a camera.
            by: Who releases them.
            kinds: Kinds whose cases count as a surge.
            now: The present time (timezone-aware).

        Raises:
            ForbiddenError: The person is no supervisor.
            NoticeError: The notices are not stopped.
        """
        by.need(Role.SUPERVISOR, f"release the notices of zone {ground.zone}")
        with self._store.writing() as connection:
            if not standing.release(connection, ground, by.name, kinds, now):
                raise NoticeError(
                    f"the notices of zone {ground.zone!r} of camera {ground.source!r} are not "
                    "stopped: `cv-engine notices zones` shows which are"
                )


_NOTED = ("proven_at", "stopped_at", "stopped_by", "why", "released_at", "released_by")


def _zone_state(
    connection: Connection, ground: Ground, row: sa.Row[Any] | None, proof: int, now: datetime
) -> ZoneState:
    missing = 0
    if row is None or row.proven_at is None:
        missing = max(standing.verdicts_missing(connection, ground, proof, now), 0)
    noted = {name: None if row is None else getattr(row, name) for name in _NOTED}
    return ZoneState(ground.source, ground.zone, missing=missing, **noted)
