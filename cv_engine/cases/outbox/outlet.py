"""What an outlet is: somebody outside who receives the events of cases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cv_engine.cases.outbox.event import CaseEvent
from zones.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The rule by which an outlet receives an event; an empty field does not restrict it.

    Attributes:
        kinds: Kinds of violation.
        zones: Names of zones.
        events: What happened, such as ``"filed"``.
        states: States that the case enters with the event.
        departments: Departments that have to act on the case.
        hours: Hours in which the event was recorded.
    """

    kinds: Collection[str] = ()
    zones: Collection[str] = ()
    events: Collection[str] = ()
    states: Collection[str] = ()
    departments: Collection[str] = ()
    hours: Schedule | None = None

    def includes(self, event: CaseEvent) -> bool:
        """Whether the outlet receives an event."""
        case, entry = event.case, event.entry
        entered = None if entry.to_state is None else entry.to_state.value
        wanted: tuple[tuple[Collection[str], str | None], ...] = (
            (self.kinds, case.kind),
            (self.zones, case.zone),
            (self.events, entry.event.value),
            (self.states, entered),
            (self.departments, case.handling.department),
        )
        if any(names and value not in names for names, value in wanted):
            return False
        return self.hours is None or self.hours.active(entry.at)


#: The rule of an outlet that receives every event.
EVERYTHING = Selection()


class Outlet(Protocol):
    """A program or a group of people outside, as the relay sees it.

    Attributes:
        name: Name of the outlet, which the database knows it by.
        selection: Which events it receives.
        at_once: The most events in one message: 1 for a program, more for a digest.
        every_s: The least time between two messages, seconds.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def selection(self) -> Selection: ...  # noqa: D102

    @property
    def at_once(self) -> int: ...  # noqa: D102

    @property
    def every_s(self) -> float: ...  # noqa: D102

    def is_open(self, now: datetime) -> bool:
        """Whether the outlet may be sent to at a moment: events wait through quiet hours."""
        ...

    def send(self, events: Sequence[CaseEvent]) -> None:
        """Send one message, and return when the other side has it.

        Args:
            events: One event up to ``at_once`` events, oldest first.

        Raises:
            OutletAway: Nothing can be sent at present.
            RetryLater: These events were not taken, and may be later.
            Refused: These events will never be taken.
        """
        ...

    def close(self) -> None:
        """Close the connection, if there is one; the next message opens it again."""
        ...
