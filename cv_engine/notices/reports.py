"""Delivery reports: what the gateway says became of a message, in the case's history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Row

from cv_engine.cases import Queue
from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import notices
from cv_engine.cases.outbox.errors import RetryLater
from cv_engine.notices.gateways.gateway import Gateway, Outcome, Report
from cv_engine.notices.outbox import NoticeState
from cv_engine.notices.sending import FIRST_REPORT

#: Gateways try for so long to reach a phone that is off; after that no report comes.
_LONGEST = timedelta(hours=72)
_AT_ONCE = 50  # reports of one round
_STATES = {
    Outcome.DELIVERED: NoticeState.DELIVERED,
    Outcome.UNDELIVERED: NoticeState.UNDELIVERED,
}


@dataclass(frozen=True, slots=True)
class Reporter:
    """Asks the gateway for the reports that are due.

    Attributes:
        queue: The cases.
        gateway: Where the messages went.
        clock: Returns the present time (timezone-aware).
    """

    queue: Queue
    gateway: Gateway
    clock: Callable[[], datetime]

    def run(self) -> int:
        """Ask for every report that is due.

        Returns:
            How many final reports there were.

        Raises:
            QueueError: The queue does not answer.
        """
        if not self.gateway.reports:
            return 0
        now = self.clock()
        statement = (
            notices.select()
            .where(notices.c.state == NoticeState.SENT.value, notices.c.next_at <= now)
            .order_by(notices.c.next_at, notices.c.id)
            .limit(_AT_ONCE)
        )
        with self.queue.store.reading() as connection:
            rows = connection.execute(statement).all()
        final = 0
        for row in rows:
            try:
                report = self.gateway.report(row.message_id)
            except RetryLater:
                self._postpone(row)
                break  # the gateway is away: the others would wait for it as well
            final += self._note(row, report)
        return final

    def _note(self, row: Row[Any], report: Report) -> bool:
        state = _STATES.get(report.outcome)
        if state is None:
            self._postpone(row)
            return False
        now = self.clock()
        values: dict[str, Any] = {"state": state.value, "next_at": None}
        if state is NoticeState.UNDELIVERED:  # there is nothing to wait for
            values |= {"leave_by": min(row.leave_by, now), "error": f"reported {report.text}"}
        same = notices.c.state == NoticeState.SENT.value
        with self.queue.store.writing() as connection:
            case = LockedCase.of(connection, row.case_id, now)
            changed = notices.update().where(notices.c.id == row.id, same).values(values)
            if not connection.execute(changed).rowcount:
                return False
            note = f"the gateway reports: {report.text[:200]}"
            case.record(Event.NOTICE, note=note, data={"notice": row.key, "state": state.value})
        return True

    def _postpone(self, row: Row[Any]) -> None:
        """Ask again after as much time as has passed since the sending."""
        now = self.clock()
        passed = now - row.sent_at
        next_at = None if passed > _LONGEST else now + max(passed, FIRST_REPORT)
        same = notices.c.state == NoticeState.SENT.value
        changed = notices.update().where(notices.c.id == row.id, same).values(next_at=next_at)
        with self.queue.store.writing() as connection:
            connection.execute(changed)
