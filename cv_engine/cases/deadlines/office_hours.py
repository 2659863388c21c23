"""Office hours of one day, as spans of local time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Self

from cv_engine.cases.errors import QueueError

_FORM = re.compile(r"(\d{1,2}):(\d{2}) *(?:-|\u2013) *(\d{1,2}):(\d{2})")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """A span of local time in which work is done.

    Attributes:
        begin: Local time of the opening, from midnight.
        end: Local time of the closing, at most 24:00.

    Raises:
        QueueError: The end is not after the begin, or the span leaves the day.

    Example:
        >>> str(OfficeHours.parse("8:30 - 12:00"))
        '08:30-12:00'
    """

    begin: timedelta
    end: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.begin < self.end <= _DAY:
            raise QueueError(
                f"the office hours {self} do not end after their begin on the same day; write a "
                'night as two spans, "22:00-24:00" and "00:00-06:00" of the next day'
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a span as a city writes it.

        Args:
            text: Such as ``"08:30-12:00"``.

        Raises:
            QueueError: The text is no span; the message shows the right form.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None or int(found[2]) > 59 or int(found[4]) > 59:
            raise QueueError(f'{text[:60]!r} are no office hours; write them as "08:30-12:00"')
        begin, end = (
            timedelta(hours=int(found[number]), minutes=int(found[number + 1])) for number in (1, 3)
        )
        return cls(begin, end)

    def __str__(self) -> str:
        return f"{_clock(self.begin)}-{_clock(self.end)}"


def check_order(spans: Sequence[OfficeHours]) -> None:
    """Refuse spans of a day that overlap or are not in their order.

    Raises:
        QueueError: A span begins before the one in front of it ends.
    """
    for earlier, later in pairwise(spans):
        if later.begin < earlier.end:
            raise QueueError(
                f"{later} begins before {earlier} ends; write the spans of a day in their order"
            )


def _clock(time: timedelta) -> str:
    minutes = time // timedelta(minutes=1)
    return f"{minutes // 60:02}:{minutes % 60:02}"
