"""Public holidays and shifted working days of a country, by the library ``holidays``.

For China the library follows the yearly notice of the State Council's General Office, shifted
working days included. Before the notice of a year is out and in the library, only the holidays
that the law fixes are known for that year.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from cv_engine.cases.errors import QueueError

if TYPE_CHECKING:
    from holidays import HolidayBase


@dataclass(frozen=True)
class PublicHolidays:
    """The days on which a country's offices are closed, or open out of turn.

    Attributes:
        country: The country's ISO 3166-1 code, such as ``"CN"``.
        subdivision: Code of a state or province with holidays of its own; may be empty.

    Raises:
        QueueError: The library knows no such country or subdivision.
    """

    country: str
    subdivision: str = ""
    _days: HolidayBase = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # The library takes a third of a second to import, and few commands need a calendar.
        from holidays import country_holidays, list_supported_countries

        known = list_supported_countries()
        if self.country not in known:
            raise QueueError(
                f"the public holidays of {self.country!r} are not known; write an ISO 3166 code "
                "such as CN, or leave the country out and list the dates under holidays"
            )
        if self.subdivision and self.subdivision not in known[self.country]:
            raise QueueError(
                f"{self.country} has no subdivision {self.subdivision!r} with holidays of its own; "
                f"known: {', '.join(known[self.country]) or 'none'}"
            )
        days = country_holidays(self.country, subdiv=self.subdivision or None)
        object.__setattr__(self, "_days", days)

    def is_free(self, day: date) -> bool:
        """Whether a date is a public holiday."""
        return day in self._days

    def is_shifted_working_day(self, day: date) -> bool:
        """Whether a date of a weekend is worked, in exchange for a day of a longer holiday."""
        # The library fills in a year when a date of the year is first looked up.
        return day not in self._days and day in self._days.weekend_workdays
