"""What the camera knows about a case's thing after an officer has handled the case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.database.tables import cases
from cv_engine.cases.lifecycle import OPEN_STATES
from cv_engine.finding import CAMERA_BLIND


class Presence(StrEnum):
    """Whether a thing is still there."""

    GONE = "gone"  # the camera saw that the thing left, or its ground without it
    SEEN = "seen"  # seen since the case was handled, or not handled yet
    UNSEEN = "unseen"  # not seen since the case was handled, and not known to be gone
    UNKNOWN = "unknown"  # the camera shows nothing useful


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the source of a case last said about its thing.

    Attributes:
        presence: Whether the thing is still there.
        source: Camera, satellite area or sensor.
        at: When the thing was first known to be gone, else when it was last seen (UTC).
        handled_at: When the case was last handled (UTC); ``None`` if it was not.
        blind_since: Since when the camera shows nothing useful (UTC); ``None`` while all is well.
    """

    presence: Presence
    source: str
    at: datetime
    handled_at: datetime | None
    blind_since: datetime | None


def sighting_of(connection: Connection, row: Row[Any]) -> Sighting:
    """What the source of a case knows, from a row of table ``cases``."""
    blind = connection.execute(
        sa.select(sa.func.min(cases.c.began)).where(
            cases.c.kind == CAMERA_BLIND,
            cases.c.source == row.source,
            cases.c.gone_at.is_(None),
            cases.c.state.in_(OPEN_STATES),
        )
    ).scalar_one()
    if row.gone_at is not None:
        return Sighting(Presence.GONE, row.source, row.gone_at, row.handled_at, blind)
    if row.handled_at is None or row.observed > row.handled_at:
        presence = Presence.SEEN
    else:
        presence = Presence.UNSEEN if blind is None else Presence.UNKNOWN
    return Sighting(presence, row.source, row.observed, row.handled_at, blind)
