"""The city's rules for notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from zones.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When the driver of a parked vehicle is asked to leave, and what follows.

    Attributes:
        kinds: Kinds of violation whose drivers are asked.
        plate_confidence: A plate that is less likely to be right is not sent a notice.
        grace: Time in which the driver may leave, from the sending.
        settle: Time after it in which the news of a departure may still arrive.
        fresh: A vehicle that was last seen longer ago is not sent a notice.
        once_per: A vehicle that was not seen leaving is asked once in this time.
        repeat_after: Number of notices within ``repeat_within`` after which a vehicle's case goes
            to an officer at once; ``None``: never.
        repeat_within: See ``repeat_after``.
        give_up: A notice that cannot be sent for so long is given up.
        quiet: Hours in which nothing is sent; ``None``: none.
        proof: Number of a person's verdicts in a row that must confirm a zone's cases before its
            notices go out by themselves.
        surge_factor: Cases of a zone per day that stop its notices, as a multiple of those of its
            past.
        surge_least: Fewer cases a day are never a surge.
        zone: Time zone of the times in the messages.
    """

    kinds: frozenset[str]
    zone: tzinfo
    plate_confidence: float = 0.99
    grace: timedelta = timedelta(minutes=10)
    settle: timedelta = timedelta(minutes=1)
    fresh: timedelta = timedelta(minutes=15)
    once_per: timedelta = timedelta(hours=4)
    repeat_after: int | None = 3
    repeat_within: timedelta = timedelta(days=90)
    give_up: timedelta = timedelta(hours=1)
    quiet: Schedule | None = None
    proof: int = 20
    surge_factor: float = 3.0
    surge_least: int = 10

    def is_quiet(self, now: datetime) -> bool:
        """Whether a moment (timezone-aware) is in the quiet hours."""
        return self.quiet is not None and self.quiet.active(now)
