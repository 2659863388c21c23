"""What counts in a period, as conditions and sums over table ``cases``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from cv_engine.cases.database.tables import cases
from cv_engine.cases.lifecycle import State

_COLUMNS = cases.c
_GONE = (State.WITHDRAWN.value, State.MERGED.value)
_ENDS = (State.REJECTED.value, State.WITHDRAWN.value, State.CLOSED.value)
_CLOSED = _COLUMNS.state == State.CLOSED.value

#: Confirmed and still so: a verdict against the case clears the time of its confirmation.
_FILED = sa.and_(_COLUMNS.confirmed_at.is_not(None), _COLUMNS.state.not_in(_GONE))


@dataclass(frozen=True, slots=True)
class Count:
    """A count of the cases that have one time in the period.

    Attributes:
        at: The time that decides on the period.
        of: The cases that count.
        figures: What is counted of them, by the name in the statistics' ``Figures``.
        times: Start and end of what a median is taken of, by the name in ``Figures``.
        timed: Of the cases that count, those whose times are taken.
    """

    at: sa.Column[datetime]
    of: sa.ColumnElement[bool]
    figures: dict[str, sa.ColumnElement[bool]]
    times: dict[str, tuple[sa.Column[datetime], sa.Column[datetime]]] = field(default_factory=dict)
    timed: sa.ColumnElement[bool] = field(default_factory=sa.true)


#: All counts; every figure is in exactly one.
COUNTS = (
    Count(
        _COLUMNS.filed_at,
        _COLUMNS.state != State.MERGED.value,
        {"received": sa.true()},
    ),
    Count(
        _COLUMNS.confirmed_at,
        _FILED,
        {"filed": sa.true()},
        {"confirm_s": (_COLUMNS.filed_at, _COLUMNS.confirmed_at)},
    ),
    Count(
        _COLUMNS.ended_at,
        _COLUMNS.state.in_(_ENDS),
        {
            "rejected": _COLUMNS.state == State.REJECTED.value,
            "withdrawn": _COLUMNS.state == State.WITHDRAWN.value,
            "closed": _CLOSED,
            "reworked": sa.and_(_CLOSED, _COLUMNS.returns > 0),
        },
        {
            "handle_s": (_COLUMNS.dispatched_at, _COLUMNS.handled_at),
            "close_s": (_COLUMNS.filed_at, _COLUMNS.ended_at),
        },
        timed=_CLOSED,
    ),
    Count(
        _COLUMNS.close_due_at,
        _FILED,
        {
            "due": sa.true(),
            "deferred": _COLUMNS.state == State.DEFERRED.value,
            "settled": _CLOSED,
            "on_time": sa.and_(_CLOSED, _COLUMNS.ended_at <= _COLUMNS.close_due_at),
        },
    ),
)
