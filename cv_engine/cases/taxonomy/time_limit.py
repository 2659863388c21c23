"""Time limit: an amount of working hours, working days or calendar time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self

from cv_engine.cases.errors import QueueError


class TimeUnit(StrEnum):
    """What a time limit counts."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WORKING_MINUTES = "working minutes"
    WORKING_HOURS = "working hours"
    WORKING_DAYS = "working days"

    @property
    def is_working(self) -> bool:
        """Whether only office hours or working days count."""
        return self.value.startswith("working ")

    @property
    def length(self) -> timedelta:
        """How long one unit is; for a working day, the calendar day."""
        return timedelta(**{self.value.removeprefix("working "): 1})


#: Longer than any limit of a case; a larger amount is a slip of the keyboard.
LONGEST = timedelta(days=3660)

_FORM = re.compile(r"(\d{1,9}) +((?:working +)?(?:minute|hour|day))s?")
_ADVICE = (
    "write a whole number and minutes, hours, days, working minutes, working hours or working "
    'days, such as "2 working days"'
)


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How much time a stage of a case may take.

    Attributes:
        amount: Number of units, 1 or more.
        unit: What is counted.

    Raises:
        QueueError: The amount is below 1, or longer than `LONGEST`.

    Example:
        >>> TimeLimit.parse("2 working days")
        TimeLimit(amount=2, unit=<TimeUnit.WORKING_DAYS: 'working days'>)
    """

    amount: int
    unit: TimeUnit

    def __post_init__(self) -> None:
        if not 1 <= self.amount <= LONGEST // self.unit.length:
            raise QueueError(f"{self} is no time limit: it lies between 1 minute and 10 years")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a time limit as a city writes it.

        Args:
            text: Such as ``"4 working hours"`` or ``"1 day"``.

        Raises:
            QueueError: The text is no time limit; the message shows the right form.
        """
        found = _FORM.fullmatch(text.strip().lower())
        if found is None:
            raise QueueError(f"{text[:60]!r} is no time limit; {_ADVICE}")
        unit = TimeUnit(" ".join(found[2].split()) + "s")
        return cls(int(found[1]), unit)

    @property
    def elapsed(self) -> timedelta | None:
        """The length in calendar time; ``None`` for a limit in working time."""
        return None if self.unit.is_working else self.amount * self.unit.length

    def __str__(self) -> str:
        return f"{self.amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"
