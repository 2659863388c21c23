"""The drivers' notices as a holder: which messages were sent about a vehicle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cv_engine.cases import Actor, Queue
from cv_engine.cases.database.tables import notices
from cv_engine.cases.plates import cases_of_plate
from cv_engine.notices.outbox import NoticeState
from cv_engine.privacy.holder import Kept, Removed

_UNSENT = notices.c.state.in_((NoticeState.WAITING.value, NoticeState.SENDING.value))
#: An answer of the gateway may name the driver's number.
_ERASED = {
    **dict.fromkeys(("plate", "text", "error", "message_id", "next_at")),
    "state": sa.case((_UNSENT, NoticeState.CANCELLED.value), else_=notices.c.state),
}


@dataclass(frozen=True, slots=True)
class NoticesHolder:
    """What table ``notices`` of the queue's database holds about vehicles.

    Attributes:
        queue: The cases.
    """

    queue: Queue
    name: str = "notices"

    def held(self, plate: str, by: Actor, why: str) -> Sequence[Mapping[str, Any]]:
        """See :class:`cv_engine.privacy.holder.Holder`."""
        statement = notices.select().where(notices.c.plate == plate).order_by(notices.c.id)
        with self.queue.store.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(statement)]

    def erase(self, plate: str, at: datetime) -> Removed:
        """Remove plate, text and the gateway's answer; notices of cases that keep the plate stay.

        What was still to be sent is not sent any more.
        """
        mine = notices.c.plate == plate
        with self.queue.store.writing() as connection:
            still = cases_of_plate(connection, plate)
            of_kept = sa.select(notices.c.id, notices.c.case_id).where(
                mine, notices.c.case_id.in_(still)
            )
            kept = connection.execute(of_kept.order_by(notices.c.id)).all()
            free = sa.and_(mine, notices.c.case_id.not_in(still))
            count = connection.execute(notices.update().where(free).values(_ERASED)).rowcount
        return Removed(
            count,
            tuple(Kept(f"notice {row.id}", f"case {row.case_id} is kept") for row in kept),
        )
