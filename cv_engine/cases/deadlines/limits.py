"""Deadlines of cases: the taxonomy's time limits, counted by the working calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cv_engine.cases.deadlines.calendar import WorkingCalendar
from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy import Stage, Taxonomy, TimeLimit

#: Share of a limit's time after which somebody is warned: of four working hours, 48 minutes are
#: left to act, of five working days one day.
WARN_SHARE = 0.8


@dataclass(frozen=True)
class Deadlines:
    """When each stage of a case is due.

    Attributes:
        taxonomy: The time limits.
        calendar: Counts working time; ``None`` where every limit is calendar time.

    Raises:
        QueueError: A class has a limit in working time, and there is no calendar.
    """

    taxonomy: Taxonomy
    calendar: WorkingCalendar | None = None

    def __post_init__(self) -> None:
        if self.calendar is not None:
            return
        for each in self.taxonomy.classes.values():
            for limit in (*each.limits.values(), *each.urgent_limits.values()):
                if limit.unit.is_working:
                    raise QueueError(
                        f"kind {each.kind!r} has the limit {limit}, and no calendar says when "
                        "that is; name a file of office hours in the configuration under "
                        "cases: calendar"
                    )

    def due(
        self, kind: str, stage: str, since: datetime, *, urgent: bool = False
    ) -> datetime | None:
        """When a stage of a case is due.

        Args:
            kind: The violation's name.
            stage: A `Stage`, or its name.
            since: When the stage began, timezone-aware.
            urgent: Whether the case is urgent; a new case is where its class's priority is.

        Returns:
            The deadline, in UTC; ``None`` where the class has no limit for the stage.

        Raises:
            QueueError: The kind is not in the taxonomy.
        """
        limit = self.taxonomy.classify(kind).limit(Stage(stage), urgent=urgent)
        return None if limit is None else self.extended(since, limit)

    def extended(self, due: datetime, by: TimeLimit) -> datetime:
        """A deadline that is put off by a time limit, in UTC.

        Args:
            due: The deadline, timezone-aware.
            by: The time that is granted.

        Raises:
            QueueError: The time is working time, and there is no calendar.
        """
        if self.calendar is not None:
            return self.calendar.due(due, by)
        if by.elapsed is None:
            raise QueueError(
                f"{by} cannot be counted without office hours; name a file of them in the "
                "configuration under cases: calendar, or write minutes, hours or days"
            )
        return due.astimezone(UTC) + by.elapsed

    def resumed(
        self,
        kind: str,
        stage: str,
        due: datetime,
        pause: tuple[datetime, datetime],
        *,
        urgent: bool = False,
    ) -> datetime:
        """The deadline of a stage that was deferred: what was left of its time is left again.

        Args:
            kind: The violation's name.
            stage: A `Stage`, or its name.
            due: The deadline before, timezone-aware.
            pause: When the case was deferred, and when it was resumed, timezone-aware.
            urgent: Whether the case is urgent.

        Returns:
            The deadline, in UTC. The pause of a limit in working time is counted in working time.

        Raises:
            QueueError: The kind is not in the taxonomy.
        """
        limit = self.taxonomy.classify(kind).limit(Stage(stage), urgent=urgent)
        if self.calendar is not None and limit is not None and limit.unit.is_working:
            return self.calendar.add_working(due, self.calendar.working_time(*pause))
        return due.astimezone(UTC) + _elapsed(*pause)

    def warn_at(self, start: datetime, due: datetime) -> datetime:
        """When to warn that a deadline comes near: after `WARN_SHARE` of its time.

        The share is one of working time, also for limits in calendar time, so that the warning
        comes while somebody is at work; of elapsed time where no working time is between.

        Args:
            start: When the stage began, timezone-aware.
            due: The deadline, timezone-aware, not before ``start``.

        Returns:
            A time from ``start`` to ``due``, in UTC.
        """
        work = timedelta(0)
        if self.calendar is not None:
            work = self.calendar.working_time(start, due)
        if self.calendar is None or not work:
            return start.astimezone(UTC) + _elapsed(start, due) * WARN_SHARE
        return self.calendar.add_working(start, work * WARN_SHARE)


def _elapsed(start: datetime, end: datetime) -> timedelta:
    # Python subtracts two times of one time zone by the clock on the wall.
    return end.astimezone(UTC) - start.astimezone(UTC)
