"""Following: the driver left within the grace time, or an officer takes over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Row

from cv_engine.cases import Queue
from cv_engine.cases.adjustments import assign
from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import cases, notices
from cv_engine.cases.lifecycle import ENGINE, Action, State
from cv_engine.cases.moves import Move, take_step
from cv_engine.cases.rows import time_text
from cv_engine.finding import WARNING
from cv_engine.notices.outbox import NoticeState
from cv_engine.notices.policy import Policy

#: The outcomes of a case of a zone's warning period whose vehicle stayed.
_WARNED, _DISMISSED = "warned", "dismissed"
_asking = notices.alias("asking")
#: By when the driver has to leave; a notice that was cancelled asked no driver.
_leave_by = sa.case(
    (
        _asking.c.state == NoticeState.CANCELLED.value,
        sa.func.coalesce(_asking.c.leave_by, notices.c.decided_at),
    ),
    else_=_asking.c.leave_by,
)
#: States of a notice that did not reach the driver.
_IN_VAIN = frozenset({NoticeState.DEAD, NoticeState.UNDELIVERED, NoticeState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Followed:
    """What was done.

    Attributes:
        left: Numbers of the cases whose vehicle left in time.
        warned: Numbers of the cases that end with a warning.
        escalated: Numbers of the cases that an officer takes over.
    """

    left: tuple[int, ...] = ()
    warned: tuple[int, ...] = ()
    escalated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows the cases whose drivers were asked.

    Attributes:
        queue: The cases.
        policy: The city's rules.
        clock: Returns the present time (timezone-aware).
    """

    queue: Queue
    policy: Policy
    clock: Callable[[], datetime]

    def run(self) -> Followed:
        """Close what has left and hand over what has stayed; any number of processes may do so.

        Raises:
            QueueError: The queue does not answer.
        """
        now = self.clock()
        with self.queue.store.reading() as connection:
            numbers = connection.execute(_to_follow(now - self.policy.settle)).scalars().all()
        done: dict[str, list[int]] = {"left": [], "warned": [], "escalated": []}
        for number in numbers:
            what = self._follow(number)
            if what is not None:
                done[what].append(number)
        return Followed(**{name: tuple(found) for name, found in done.items()})

    def _follow(self, number: int) -> str | None:
        to = self.queue.suggest(number)
        with self.queue.store.writing() as connection:
            case = LockedCase.of(connection, number, self.clock())
            now = case.at
            row = connection.execute(_notice_of(number)).first()
            if case.state is not State.NOTICED or row is None:
                return None
            gone, leave_by = case.row.gone_at, row.leave_by
            if gone is not None and (leave_by is None or gone <= leave_by):
                self._end(case, row, None, f"left, last seen at {time_text(gone)}")
                return "left"
            if leave_by is None or (gone is None and now < leave_by + self.policy.settle):
                return None  # another process was faster, or an operator sends it again
            if case.row.attributes.get(WARNING):
                outcome = _DISMISSED if row.state in _IN_VAIN else _WARNED
                self._end(case, row, outcome, f"the zone's warning period: {_why(case, row)}")
                return "warned"
            if row.escalated_at is not None:
                return None
            note = _why(case, row)
            data = {"stage": "notice", "due": time_text(leave_by)}
            case.record(Event.ESCALATED, note=note, data=data, alert="escalated")
            if to is not None and case.row.department is None:
                assign(case, to, ENGINE, note)
            changed = notices.update().where(notices.c.id == row.own).values(escalated_at=now)
            connection.execute(changed)
            return "escalated"

    def _end(self, case: LockedCase, row: Row[Any], outcome: str | None, note: str) -> None:
        """Close the case, and cancel a notice that was not sent."""
        move = Move(action=Action.CLOSE, by=ENGINE, note=note, outcome=outcome)
        take_step(case, move, self.queue.limits)
        waiting = notices.c.state == NoticeState.WAITING.value
        cancelled = notices.update().where(notices.c.id == row.own, waiting)
        values = {"state": NoticeState.CANCELLED.value, "next_at": None}
        case.connection.execute(cancelled.values(values))


def _why(case: LockedCase, row: Row[Any]) -> str:
    """Why an officer takes over, for the history."""
    seen = f"last seen at {time_text(case.row.observed)}"
    if row.state in _IN_VAIN:
        return f"the driver was not reached ({row.error or row.state}); {seen}"
    if case.row.gone_at is not None:
        return f"left after the grace time, {seen}"
    return f"still there after the grace time, {seen}"


def _joined() -> sa.Join:
    """Cases with their own notice, and the one that the driver was asked by."""
    own = sa.and_(
        notices.c.case_id == cases.c.id,
        notices.c.round == cases.c.reopenings,
    )
    asking = _asking.c.id == sa.func.coalesce(notices.c.asked_by, notices.c.id)
    return cases.join(notices, own).join(_asking, asking)


def _to_follow(ended: datetime) -> sa.Select[Any]:
    """The numbers of the cases with something to do: gone, or at the end of the grace time."""
    in_time = sa.or_(_leave_by.is_(None), cases.c.gone_at <= _leave_by)
    over = sa.or_(_leave_by <= ended, cases.c.gone_at > _leave_by)
    open_ = notices.c.escalated_at.is_(None)
    return (
        sa.select(cases.c.id)
        .select_from(_joined())
        .where(cases.c.state == State.NOTICED.value)
        .where(sa.or_(sa.and_(cases.c.gone_at.is_not(None), in_time), sa.and_(over, open_)))
        .order_by(cases.c.id)
    )


def _notice_of(number: int) -> sa.Select[Any]:
    columns = (_leave_by.label("leave_by"), _asking.c.state, _asking.c.error)
    return (
        sa.select(notices.c.id.label("own"), notices.c.escalated_at, *columns)
        .select_from(_joined())
        .where(cases.c.id == number)
    )
