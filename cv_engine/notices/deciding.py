"""Deciding: each confirmed case takes its way exactly once, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Row

from cv_engine.cases import Queue
from cv_engine.cases.adjustments import assign, set_priority
from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import cases, findings, notices
from cv_engine.cases.lifecycle import ENGINE, Action, State
from cv_engine.cases.moves import Assignment, Move, take_step
from cv_engine.cases.rows import case_of
from cv_engine.cases.taxonomy import Priority
from cv_engine.finding import AT_ONCE, NEVER, NOTICE
from cv_engine.notices.judgement import SILENT, Judgement, Reason, Way, judge
from cv_engine.notices.outbox import NoticeState
from cv_engine.notices.plates import readings
from cv_engine.notices.policy import Policy
from cv_engine.notices.standing import (
    Ground,
    is_stopped,
    note_proven,
    standing,
    stop,
    surge_of,
    verdicts_missing,
)
from cv_engine.registry import Registry

#: Cases that began earlier are left to people: no vehicle is asked to leave after a week.
_LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides the way of cases.

    Attributes:
        queue: The cases.
        registry: The vehicles, exemptions and permits.
        policy: The city's rules.
        clock: Returns the present time (timezone-aware).
    """

    queue: Queue
    registry: Registry
    policy: Policy
    clock: Callable[[], datetime]

    def run(self) -> list[tuple[int, Way]]:
        """Decide every case that waits for it; any number of processes may do so at any time.

        Returns:
            The numbers of the cases that were decided, with their ways.

        Raises:
            EngineError: The queue or a registry does not answer; what was decided stays.
        """
        done = []
        proven: dict[Ground, bool] = {}
        now = self.clock()
        with self.queue.store.reading() as connection:
            waiting = connection.execute(_waiting(self.policy, now)).all()
        for row in waiting:
            way = self._decide(row, proven)
            if way is not None:
                done.append((row.id, way))
        return done

    def _decide(self, row: Row[Any], proven: dict[Ground, bool]) -> Way | None:
        now, ground = self.clock(), Ground(row.source, row.zone)
        with self.queue.store.reading() as connection:
            if not self._may_decide(connection, row, ground, proven):
                return None
            plates = readings(_attributes(connection, row.id))
        # The registry is asked while nothing is locked: it may be slow.
        judgement = judge(case_of(row), plates, self.registry, self.policy, now)
        to = self.queue.suggest(row.id) if judgement.way is Way.OFFICER else None
        with self.queue.store.writing() as connection:
            now = self.clock()
            case = LockedCase.of(connection, row.id, now)
            if case.version != row.version or _is_decided(connection, row):
                return None  # the next round looks at it again
            judgement, asked_by = self._by_earlier(connection, case.row, judgement, now)
            if judgement.way is Way.NOTICE and self._has_surge(case, ground, now):
                return None
            self._apply(case, judgement, asked_by, to)
        return judgement.way

    def _may_decide(
        self, connection: Connection, row: Row[Any], ground: Ground, proven: dict[Ground, bool]
    ) -> bool:
        """Whether the case's zone is not stopped and, where no person confirms, proven."""
        known = standing(connection, ground)
        if is_stopped(known):
            return False
        if row.state == State.CONFIRMED or (known is not None and known.proven_at is not None):
            return True
        if ground not in proven:  # found out once a round: verdicts may be many
            missing = verdicts_missing(connection, ground, self.policy.proof, self.clock())
            proven[ground] = missing <= 0
        return proven[ground]

    def _by_earlier(
        self, connection: Connection, row: Row[Any], judgement: Judgement, now: datetime
    ) -> tuple[Judgement, int | None]:
        """The judgement by what the vehicle's driver was asked before, and that notice's number.

        The transaction holds a lock on the plate: two cases of one vehicle are decided one after
        the other.
        """
        plate = judgement.plate
        if judgement.way is not Way.NOTICE or plate is None:
            return judgement, None
        _lock_plate(connection, plate)
        same = _same_dwell(connection, plate, row, self.policy, now)
        if same is not None:
            text = f"the driver was asked for case {same.case_id}"
            return Judgement(Way.ASKED, Reason.ALREADY, text, plate), same.id
        most = self.policy.repeat_after
        if most is not None:
            since = now - self.policy.repeat_within
            if _count_notices(connection, plate, since) >= most:
                days = self.policy.repeat_within.days
                text = f"the driver was asked {most} times or more within {days} days"
                return Judgement(Way.OFFICER, Reason.REPEATED, text, plate), None
        return judgement, None

    def _has_surge(self, case: LockedCase, ground: Ground, now: datetime) -> bool:
        """Stop the notices of a zone with a surge, and tell the supervisor by the case."""
        surge = surge_of(case.connection, ground, self.policy, now)
        if surge is None:
            return False
        if stop(case.connection, ground, ENGINE.name, str(surge), now):
            note = (
                f"notices of zone {ground.zone} of {ground.source} are stopped: {surge}; a "
                "supervisor releases them with `cv-engine notices release`"
            )
            data = {"stage": "notice", "surge": surge.count, "usual": round(surge.usual, 2)}
            case.record(Event.ESCALATED, note=note, data=data, alert="escalated")
            structlog.get_logger(__name__).warning(
                "notices stopped", camera=ground.source, zone=ground.zone, reason=str(surge)
            )
        return True

    def _apply(
        self,
        case: LockedCase,
        judgement: Judgement,
        asked_by: int | None,
        to: Assignment | None,
    ) -> None:
        sends = judgement.way is Way.NOTICE
        key = f"{case.row.key}-{case.row.reopenings}"
        added = notices.insert().values(
            case_id=case.row.id,
            round=case.row.reopenings,
            key=key,
            plate=judgement.plate,
            way=judgement.way.value,
            reason=judgement.reason.value,
            decided_at=case.at,
            asked_by=asked_by,
            state=(NoticeState.WAITING if sends else NoticeState.NONE).value,
            next_at=case.at if sends else None,
        )
        case.connection.execute(added)
        data = {"way": judgement.way.value, "why": judgement.reason.value}
        if judgement.way is Way.EXEMPT:
            self._step(case, Action.WITHDRAW, f"the vehicle may stand here: {judgement.text}", data)
        elif judgement.way is Way.OFFICER:
            _to_officer(case, judgement, to, data, self.queue)
        else:
            if case.state is State.REPORTED:
                note_proven(case.connection, Ground(case.row.source, case.row.zone), case.at)
                note = "the zone's notices go out by themselves"
                self._step(case, Action.CONFIRM, note, {})
            self._step(case, Action.NOTICE, judgement.text, {**data, "notice": key})

    def _step(self, case: LockedCase, action: Action, note: str, data: dict[str, Any]) -> None:
        take_step(case, Move(action=action, by=ENGINE, note=note, data=data), self.queue.limits)


def _waiting(policy: Policy, now: datetime) -> sa.Select[Any]:
    """The cases whose way is not decided: confirmed ones, and reported ones of such zones."""
    said = cases.c.attributes[NOTICE].as_string()
    decided = sa.exists().where(
        notices.c.case_id == cases.c.id, notices.c.round == cases.c.reopenings
    )
    confirmed = sa.and_(cases.c.state == State.CONFIRMED.value, sa.func.coalesce(said, "") != NEVER)
    at_once = sa.and_(cases.c.state == State.REPORTED.value, said == AT_ONCE)
    return (
        cases.select()
        .where(cases.c.state.in_((State.CONFIRMED.value, State.REPORTED.value)))
        .where(cases.c.began > now - _LOOK_BACK, sa.or_(confirmed, at_once))
        .where(cases.c.kind.in_(sorted(policy.kinds)), ~decided)
        .order_by(cases.c.began, cases.c.id)
    )


def _is_decided(connection: Connection, row: Row[Any]) -> bool:
    statement = sa.select(notices.c.id).where(
        notices.c.case_id == row.id, notices.c.round == row.reopenings
    )
    return connection.execute(statement).first() is not None


def _attributes(connection: Connection, case_id: int) -> list[dict[str, Any]]:
    statement = sa.select(findings.c.attributes).where(findings.c.case_id == case_id)
    return list(connection.execute(statement).scalars())


def _lock_plate(connection: Connection, plate: str) -> None:
    """Let no other transaction decide about the plate; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(f"plate\0{plate}".encode()).digest()
        number = int.from_bytes(digest[:8], signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _same_dwell(
    connection: Connection, plate: str, row: Row[Any], policy: Policy, now: datetime
) -> Any:
    """The notice that the driver got for this stay already; ``None`` if there is none.

    Another case of the same plate is of the same dwell unless the vehicle is known to have left
    before this case began: a vehicle is at one place at a time. So is an earlier dwell of a case
    that was reopened meanwhile.
    """
    stayed = sa.or_(cases.c.gone_at.is_(None), cases.c.gone_at >= row.began)
    statement = (
        sa.select(notices.c.id, notices.c.case_id)
        .join_from(notices, cases, cases.c.id == notices.c.case_id)
        .where(notices.c.plate == plate, notices.c.way == Way.NOTICE.value)
        .where(notices.c.decided_at > now - policy.once_per)
        .where(notices.c.state != NoticeState.CANCELLED.value, stayed)
        .order_by(notices.c.id.desc())
        .limit(1)
    )
    return connection.execute(statement).first()


def _count_notices(connection: Connection, plate: str, since: datetime) -> int:
    statement = sa.select(sa.func.count()).where(
        notices.c.plate == plate,
        notices.c.way == Way.NOTICE.value,
        notices.c.state != NoticeState.CANCELLED.value,
        notices.c.decided_at > since,
    )
    return int(connection.execute(statement).scalar_one())


def _to_officer(
    case: LockedCase,
    judgement: Judgement,
    to: Assignment | None,
    data: dict[str, Any],
    queue: Queue,
) -> None:
    """Tell the officers why the driver is not asked, and whose case it is."""
    if judgement.reason in SILENT:
        return
    note = f"no notice: {judgement.text}"
    if judgement.reason is Reason.STOLEN:
        if case.row.priority != Priority.URGENT:
            set_priority(case, Priority.URGENT, ENGINE, judgement.text, queue.limits)
        case.record(Event.ESCALATED, note=note, data={"stage": "notice"}, alert="escalated")
    case.record(Event.NOTICE, note=note, data=data)
    if to is not None and case.state is State.CONFIRMED and case.row.department is None:
        assign(case, to, ENGINE, note)
