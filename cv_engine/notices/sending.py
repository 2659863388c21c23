"""Sending: each notice leaves once, whatever is killed in between.

An attempt is recorded before it is made, and its outcome after it: an attempt without an outcome
was interrupted, and the gateway may have the message. A gateway that heeds idempotency keys gets
the message again, with its key. Any other gateway does not: the notice is *doubtful*, is listed for
an operator, and its case continues as if the driver had been asked. A driver who gets two letters
distrusts both; a driver who gets none is seen by an officer before he is cited.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Row

from cv_engine.cases import Queue
from cv_engine.cases.case import Case, Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import cases, notices
from cv_engine.cases.lifecycle import ENGINE, State
from cv_engine.cases.outbox.backoff import Backoff
from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.cases.rows import case_of, time_text
from cv_engine.credentials import without_credentials
from cv_engine.notices.errors import InDoubt, NoticeError
from cv_engine.notices.gateways.gateway import Gateway, Message
from cv_engine.notices.outbox import NoticeState
from cv_engine.notices.policy import Policy
from cv_engine.notices.standing import stopped
from cv_engine.notices.wording.car_parks import CarParks, NearPark
from cv_engine.notices.wording.text import Wording
from cv_engine.registry import Registry

#: An attempt without an outcome after this time was interrupted: far longer than a gateway may
#: take to answer, and than a commit.
LEASE = timedelta(minutes=1)
#: One notice that is not taken: a driver waits, so the longest pause is short.
NOTICE_BACKOFF = Backoff(first_s=5.0, longest_s=300.0)
#: A gateway that is away, whatever the notice.
GATEWAY_BACKOFF = Backoff(first_s=2.0, longest_s=60.0)
#: The longest pause that a gateway may ask for.
_LONGEST_ASKED = timedelta(minutes=30)
#: When the delivery report is asked for first, and then less and less often.
FIRST_REPORT = timedelta(seconds=30)
_AT_ONCE = 50  # notices of one round: the next round has the others
_LONGEST_ERROR = 500  # characters of an error that are kept


@dataclass
class Sender:
    """Sends the notices that wait.

    Attributes:
        queue: The cases.
        registry: Where the drivers' numbers are.
        gateway: Where the messages go.
        policy: The city's rules.
        wording: How they are worded.
        clock: Returns the present time (timezone-aware).
        parks: The car parks; ``None``: none are named.
        rng: Source of the jitter between attempts.
    """

    queue: Queue
    registry: Registry
    gateway: Gateway
    policy: Policy
    wording: Wording
    clock: Callable[[], datetime]
    parks: CarParks | None = None
    rng: random.Random = field(default_factory=random.Random)
    _rests_until: datetime | None = None
    _failures: int = 0

    def run(self) -> list[int]:
        """Send what is due; any number of processes may do so at any time.

        Returns:
            The numbers of the notices that the gateway has taken.

        Raises:
            EngineError: The queue or a registry cannot be read.
        """
        now = self.clock()
        self._find_interrupted(now)
        rests = self._rests_until is not None and now < self._rests_until
        if rests or self.policy.is_quiet(now):
            return []
        with self.queue.store.reading() as connection:
            due = connection.execute(_due(now).limit(_AT_ONCE)).all()
        taken = []
        for row in due:
            if self._send(row):
                taken.append(row.id)
            if self._rests_until is not None and self.clock() < self._rests_until:
                break
        return taken

    def _find_interrupted(self, now: datetime) -> None:
        """Let interrupted attempts be made again, or put them aside, by what the gateway can do."""
        interrupted = sa.and_(
            notices.c.state == NoticeState.SENDING.value, notices.c.next_at <= now
        )
        with self.queue.store.reading() as connection:
            rows = connection.execute(notices.select().where(interrupted)).all()
        for row in rows:
            text = "interrupted: the gateway may have the message"
            with self.queue.store.writing() as connection:
                case = LockedCase.of(connection, row.case_id, self.clock())
                self._record(case, row, self._doubted(row, text, 0.0, case.at))

    def _send(self, row: Row[Any]) -> bool:
        """Make one attempt; returns whether the gateway has taken the message."""
        why = f"notice of case {row.case_id}"
        contact = self.registry.contact(
            row.plate, who=ENGINE.name, role=ENGINE.role, why=why, case_id=row.case_id
        )
        phone = None if contact is None else contact.phone
        claimed = self._claim(row)
        if claimed is None:
            return False
        outcome = self._attempt(claimed, phone)
        with self.queue.store.writing() as connection:
            case = LockedCase.of(connection, row.case_id, self.clock())
            self._record(case, claimed, outcome)
        return outcome.state is NoticeState.SENT

    def _claim(self, row: Row[Any]) -> Row[Any] | None:
        """Record that an attempt begins; ``None`` where none is to be made."""
        with self.queue.store.writing() as connection:
            case = LockedCase.of(connection, row.case_id, self.clock())
            now = case.at
            present = connection.execute(notices.select().where(notices.c.id == row.id)).one()
            if present.state != NoticeState.WAITING or present.next_at > now:
                return None  # another process was faster
            if case.state is not State.NOTICED or case.row.gone_at is not None:
                _set(connection, row, state=NoticeState.CANCELLED.value, next_at=None)
                return None
            if now - case.row.observed > self.policy.fresh:
                state = NoticeState.DOUBTFUL if present.in_doubt else NoticeState.DEAD
                unseen = _Outcome(state, _UNSEEN, leave_by=now, in_doubt=present.in_doubt)
                self._record(case, present, unseen)
                return None
            _set(
                connection,
                row,
                state=NoticeState.SENDING.value,
                text=present.text or self._text(case, present),
                attempts=present.attempts + 1,
                first_tried_at=present.first_tried_at or now,
                next_at=now + LEASE,
            )
            return connection.execute(notices.select().where(notices.c.id == row.id)).one()

    def _text(self, case: LockedCase, row: Row[Any]) -> str:
        found = case_of(case.row)
        minutes = round(self.policy.grace / timedelta(minutes=1))
        return self.wording.text(found, row.plate, minutes, self._near(found))

    def _near(self, case: Case) -> list[NearPark]:
        """The car parks that a notice names; none where their file cannot be used."""
        try:
            return [] if self.parks is None else self.parks.near(case.place.geometry)
        except NoticeError as error:
            structlog.get_logger(__name__).warning("no car parks", reason=str(error))
            return []

    def _attempt(self, row: Row[Any], phone: str | None) -> _Outcome:
        """Send the message of a claimed notice."""
        if phone is None:
            return _Outcome(NoticeState.DEAD, "the registry has no number", leave_by=self.clock())
        try:
            message_id = self.gateway.send(Message(row.key, phone, row.text))
        except Refused as error:
            now = self.clock()
            text = f"refused: {error}"
            if row.in_doubt:  # refused now, but an earlier attempt may have been taken
                return self._doubted(row, text, 0.0, now)
            return _Outcome(NoticeState.DEAD, text, leave_by=now)
        except OutletAway as error:
            self._rest(error)
            return self._again(row, str(error), error.after_s, in_doubt=row.in_doubt)
        except RetryLater as error:
            return self._again(row, str(error), error.after_s, in_doubt=row.in_doubt)
        except InDoubt as error:
            return self._doubted(row, str(error), 0.0, self.clock())
        except Exception as error:  # whatever a library raises: the message may have left
            return self._doubted(row, f"{type(error).__name__}: {error}", 0.0, self.clock())
        self._rests_until, self._failures = None, 0
        now = self.clock()
        report = now + FIRST_REPORT if self.gateway.reports and message_id is not None else None
        leave_by = now + self.policy.grace
        return _Outcome(NoticeState.SENT, None, report, leave_by, now, message_id)

    def _rest(self, error: OutletAway) -> None:
        self._failures += 1
        pause = timedelta(seconds=GATEWAY_BACKOFF.pause_s(self._failures, self.rng))
        asked = min(timedelta(seconds=error.after_s), _LONGEST_ASKED)
        self._rests_until = self.clock() + max(pause, asked)

    def _doubted(self, row: Row[Any], text: str, after_s: float, now: datetime) -> _Outcome:
        """What follows where the gateway may have the message."""
        if self.gateway.is_idempotent:
            return self._again(row, text, after_s, in_doubt=True)
        return _Outcome(NoticeState.DOUBTFUL, text, leave_by=now + self.policy.grace, in_doubt=True)

    def _again(self, row: Row[Any], text: str, after_s: float, *, in_doubt: bool) -> _Outcome:
        """The next attempt, unless it is too late for one."""
        now = self.clock()
        if now - row.first_tried_at >= self.policy.give_up:
            state = NoticeState.DOUBTFUL if in_doubt else NoticeState.DEAD
            return _Outcome(state, text, leave_by=now, in_doubt=in_doubt)
        pause = timedelta(seconds=NOTICE_BACKOFF.pause_s(row.attempts, self.rng))
        asked = min(timedelta(seconds=after_s), _LONGEST_ASKED)
        return _Outcome(NoticeState.WAITING, text, now + max(pause, asked), in_doubt=in_doubt)

    def _record(self, case: LockedCase, row: Row[Any], outcome: _Outcome) -> None:
        """Record what became of an attempt, unless another process has done so."""
        error = outcome.error
        values = {
            "state": outcome.state.value,
            "next_at": outcome.next_at,
            "in_doubt": outcome.in_doubt,
            "error": None if error is None else without_credentials(error)[:_LONGEST_ERROR],
            "sent_at": outcome.sent_at,
            "leave_by": outcome.leave_by,
            "message_id": outcome.message_id,
        }
        same = sa.and_(notices.c.state == row.state, notices.c.attempts == row.attempts)
        changed = notices.update().where(notices.c.id == row.id, same).values(values)
        if not case.connection.execute(changed).rowcount or outcome.state is NoticeState.WAITING:
            return
        data: dict[str, Any] = {"notice": row.key, "state": outcome.state.value}
        if outcome.leave_by is not None and outcome.state is NoticeState.SENT:
            data["leave_by"] = time_text(outcome.leave_by)
        case.record(Event.NOTICE, note=_told(outcome), data=data)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of an attempt."""

    state: NoticeState
    error: str | None
    next_at: datetime | None = None
    leave_by: datetime | None = None
    sent_at: datetime | None = None
    message_id: str | None = None
    in_doubt: bool = False


_UNSEEN = "the vehicle was not seen for too long"
_TOLD = {
    NoticeState.SENT: "the notice was sent",
    NoticeState.DEAD: "the notice was not sent",
    NoticeState.DOUBTFUL: "it is not known whether the notice was sent",
}


def _told(outcome: _Outcome) -> str:
    why = "" if outcome.error is None else f": {without_credentials(outcome.error)}"
    return f"{_TOLD[outcome.state]}{why}"[:_LONGEST_ERROR]


def _due(now: datetime) -> sa.Select[Any]:
    """The notices that may be sent now, the oldest first."""
    return (
        notices.select()
        .join(cases, cases.c.id == notices.c.case_id)
        .where(notices.c.state == NoticeState.WAITING.value, notices.c.next_at <= now)
        .where(~stopped())
        .order_by(notices.c.next_at, notices.c.id)
    )


def _set(connection: Connection, row: Row[Any], **values: Any) -> None:
    connection.execute(notices.update().where(notices.c.id == row.id).values(values))
