"""What a case's deadline asks for: a warning before it, an escalation after it, an end of waiting.

Each case carries the moment at which something is next to be done (``attention_at``). Whoever
comes first does it, in a transaction that also moves that moment on, so that any number of
processes may look at any time and nothing happens twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import cases
from cv_engine.cases.lifecycle import ENGINE, Action, State
from cv_engine.cases.moves import Move, take_step
from cv_engine.cases.rows import time_text
from cv_engine.cases.stages import STAGES, Limits

#: Cases per transaction: few enough that filing does not wait for long, many enough that a commit
#: is not what takes the time.
_CASES_AT_ONCE = 100
_WARNED, _ESCALATED = "warned", "escalated"


@dataclass(frozen=True, slots=True)
class Attended:
    """What was done.

    Attributes:
        warned: Numbers of the cases whose deadline comes near.
        escalated: Numbers of the cases whose deadline has passed.
        resumed: Numbers of the cases that no longer wait.
    """

    warned: tuple[int, ...] = ()
    escalated: tuple[int, ...] = ()
    resumed: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.warned or self.escalated or self.resumed)

    def __add__(self, other: Attended) -> Attended:
        return Attended(
            self.warned + other.warned,
            self.escalated + other.escalated,
            self.resumed + other.resumed,
        )


def attend(store: Store, limits: Limits, now: datetime) -> Attended:
    """Warn, escalate and resume whatever is due by now.

    Args:
        store: The queue's database.
        limits: The limits of the stages.
        now: The present moment (timezone-aware).
    """
    done = Attended()
    while True:
        with store.writing() as connection:
            rows = _due(connection, now)
            for row in rows:
                done += _attend_case(LockedCase(connection, row, now), limits)
        if len(rows) < _CASES_AT_ONCE:
            return done


def _due(connection: Connection, now: datetime) -> list[Row[tuple[object, ...]]]:
    """The next cases to attend to, locked; those that another process has locked are left to it."""
    statement = (
        cases.select()
        .where(cases.c.attention_at <= now)
        .order_by(cases.c.attention_at, cases.c.id)
        .limit(_CASES_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(statement).all())


def _attend_case(case: LockedCase, limits: Limits) -> Attended:
    number = case.row.id
    if case.state is State.DEFERRED:
        until = time_text(case.row.deferred_until)
        note = f"deferred until {until}"
        take_step(case, Move(action=Action.RESUME, by=ENGINE, note=note), limits)
        return Attended(resumed=(number,))
    due = case.row.due_at
    if due is None or case.state not in STAGES:  # nothing is due any more
        case.set(attention_at=None)
        return Attended()
    data = {"stage": STAGES[case.state], "due": time_text(due)}
    if case.at >= due:
        case.record(Event.ESCALATED, data=data, alert=_ESCALATED, attention_at=None)
        return Attended(escalated=(number,))
    case.record(Event.WARNED, data=data, alert=_WARNED, attention_at=due)
    return Attended(warned=(number,))
