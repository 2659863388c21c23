"""A plain recount of a period's figures, case by case, from what the histories record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from cv_engine.cases import Case, Entry, Event, Queue, State
from cv_engine.cases.statistics import Figures, Period


@dataclass
class Life:
    """What became of one case, replayed from its history."""

    case: Case
    filed: datetime
    confirmed: datetime | None = None
    dispatched: datetime | None = None
    handled: datetime | None = None
    ended: datetime | None = None
    returns: int = 0
    state: State = State.REPORTED

    def step(self, entry: Entry) -> None:
        """Follow one change of state."""
        before, after = entry.from_state, entry.to_state
        if entry.event is not Event.STATE or after is None:
            return
        self.state = after
        action = entry.data["action"]
        if action == "confirm":
            self.confirmed = entry.at
        if action in ("undo", "reject"):
            self.confirmed = None
        if action == "dispatch":
            self.dispatched = entry.at
        if action == "handle":
            self.handled = entry.at
        if action == "return" and before in (State.HANDLED, State.VERIFIED):
            self.returns += 1
            self.handled = None
        final = {State.REJECTED, State.WITHDRAWN, State.MERGED, State.CLOSED}
        self.ended = entry.at if after in final else None


def lives(queue: Queue) -> list[Life]:
    """All cases of a queue, replayed."""
    found = []
    for case in queue.cases():
        life = Life(case, case.filed_at)
        for entry in queue.history(case.id):
            life.step(entry)
        assert life.state is case.state
        found.append(life)
    return found


def recount(cases: Iterable[Life], period: Period) -> Figures:
    """The figures of a period, by the definitions read aloud."""

    def within(at: datetime | None) -> bool:
        return at is not None and period.first <= at.astimezone(period.zone).date() <= period.last

    counted = [life for life in cases if life.state is not State.MERGED]
    valid = [life for life in counted if life.confirmed and life.state is not State.WITHDRAWN]
    filed = [life for life in valid if within(life.confirmed)]
    ended = [life for life in counted if within(life.ended)]
    closed = [life for life in ended if life.state is State.CLOSED]
    due = [life for life in valid if within(life.case.handling.close_due_at)]
    settled = [life for life in due if life.state is State.CLOSED]
    return Figures(
        received=sum(within(life.filed) for life in counted),
        filed=len(filed),
        rejected=sum(life.state is State.REJECTED for life in ended),
        withdrawn=sum(life.state is State.WITHDRAWN for life in ended),
        closed=len(closed),
        reworked=sum(life.returns > 0 for life in closed),
        due=len(due),
        deferred=sum(life.state is State.DEFERRED for life in due),
        settled=len(settled),
        on_time=sum(_in_time(life) for life in settled),
        confirm_s=_median((life.filed, life.confirmed) for life in filed),
        handle_s=_median((life.dispatched, life.handled) for life in closed),
        close_s=_median((life.filed, life.ended) for life in closed),
    )


def _in_time(life: Life) -> bool:
    due = life.case.handling.close_due_at
    return life.ended is not None and due is not None and life.ended <= due


def _median(spans: Iterable[tuple[datetime | None, datetime | None]]) -> float | None:
    whole = [
        int(end.timestamp() // 1) - int(start.timestamp() // 1)
        for start, end in spans
        if start is not None and end is not None
    ]
    return float(median(whole)) if whole else None
