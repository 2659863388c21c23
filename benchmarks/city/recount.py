"""A plain recount of a month: the statistics once more, from what an observer saw, in Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from cv_engine.cases import Action, State


@dataclass(slots=True)
class Known:
    """What the city saw of one case.

    Attributes:
        kind: The violation's name.
        area: The street.
        department: Department that the case was last dispatched to.
        filed: When the case was filed.
        state: State of the case.
        confirmed: When the case was last confirmed.
        dispatched: When the case was last dispatched.
        handled: When the case was last handled.
        ended: When the case ended.
        close_due: Deadline of the whole case.
        returns: How often the work was returned.
    """

    kind: str
    area: str
    filed: datetime
    close_due: datetime | None
    department: str | None = None
    state: State = State.REPORTED
    confirmed: datetime | None = None
    dispatched: datetime | None = None
    handled: datetime | None = None
    ended: datetime | None = None
    returns: int = 0

    def saw(self, action: Action, state: State, at: datetime) -> None:
        """Note that a step was taken."""
        before, self.state = self.state, state
        match action:
            case Action.CONFIRM:
                self.confirmed, self.ended = at, None
            case Action.REJECT:
                self.confirmed, self.ended = None, at
            case Action.UNDO:
                self.confirmed, self.ended = None, None
            case Action.DISPATCH:
                self.dispatched = at
            case Action.HANDLE:
                self.handled = at
            case Action.RETURN if before is not State.DISPATCHED:
                self.handled, self.returns = None, self.returns + 1
            case Action.RETURN:
                self.department = None
            case Action.CLOSE | Action.WITHDRAW | Action.MERGE:
                self.ended = at
            case Action.APPEAL | Action.REOPEN:
                self.ended = None


@dataclass(frozen=True, slots=True)
class Recount:
    """Figures of a period, counted one case at a time.

    Attributes:
        first: Start of the period.
        end: End of the period.
        cases: What was seen.
    """

    first: datetime
    end: datetime
    cases: Iterable[Known] = field(repr=False)

    def figures(self) -> dict[str, float | None]:
        """The counts and median times, by their names in the statistics."""
        alive = [c for c in self.cases if c.state is not State.MERGED]
        filed = [c for c in alive if c.confirmed and c.state is not State.WITHDRAWN]
        over = {s: [c for c in alive if c.state is s and self._in(c.ended)] for s in State}
        due = [c for c in filed if self._in(c.close_due)]
        settled = [c for c in due if c.state is State.CLOSED]
        closed = over[State.CLOSED]
        return {
            "received": sum(self._in(c.filed) for c in alive),
            "filed": sum(self._in(c.confirmed) for c in filed),
            "rejected": len(over[State.REJECTED]),
            "withdrawn": len(over[State.WITHDRAWN]),
            "closed": len(closed),
            "reworked": sum(c.returns > 0 for c in closed),
            "due": len(due),
            "deferred": sum(c.state is State.DEFERRED for c in due),
            "settled": len(settled),
            "on_time": sum(
                bool(c.ended and c.close_due and c.ended <= c.close_due) for c in settled
            ),
            "confirm_s": _median((c.filed, c.confirmed) for c in filed if self._in(c.confirmed)),
            "handle_s": _median((c.dispatched, c.handled) for c in closed),
            "close_s": _median((c.filed, c.ended) for c in closed),
        }

    def _in(self, at: datetime | None) -> bool:
        return at is not None and self.first <= at < self.end


def _median(spans: Iterable[tuple[datetime | None, datetime | None]]) -> float | None:
    taken = [(end - start).total_seconds() for start, end in spans if start and end]
    return median(taken) if taken else None
