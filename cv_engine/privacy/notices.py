"""The drivers' notices as a holder: which messages were sent about a vehicle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases import Queue
from cv_engine.cases.plates import cases_of_plate
from cv_engine.privacy.holder import Kept, Removed

_TABLE = "notices"
_ERASED_TEXT = "[erased]"


@dataclass(frozen=True, slots=True)
class NoticesHolder:
    """What table ``notices`` of the queue's database holds about vehicles, where there is one.

    Attributes:
        queue: The cases.
    """

    queue: Queue
    name: str = "notices"

    def held(self, plate: str) -> Sequence[Mapping[str, Any]]:
        """See :class:`cv_engine.privacy.holder.Holder`."""
        with self.queue.store.reading() as connection:
            table = _notices(connection)
            if table is None:
                return []
            statement = table.select().where(table.c.plate == plate).order_by(table.c.id)
            return [dict(row._mapping) for row in connection.execute(statement)]

    def erase(self, plate: str, at: datetime) -> Removed:
        """Remove plate and text of the notices; those of cases that still have the plate stay."""
        with self.queue.store.writing() as connection:
            table = _notices(connection)
            if table is None:
                return Removed(0)
            still = cases_of_plate(connection, plate)
            mine = table.c.plate == plate
            kept = connection.execute(
                sa.select(table.c.id, table.c.case_id).where(mine, table.c.case_id.in_(still))
            ).all()
            free = sa.and_(mine, table.c.case_id.not_in(still))
            changed = table.update().where(free).values(plate=None, text=_ERASED_TEXT)
            count = connection.execute(changed).rowcount
        return Removed(
            count,
            tuple(Kept(f"notice {row.id}", f"case {row.case_id} is kept") for row in kept),
        )


def _notices(connection: Connection) -> sa.Table | None:
    if not sa.inspect(connection).has_table(_TABLE):
        return None
    return sa.Table(_TABLE, sa.MetaData(), autoload_with=connection)
