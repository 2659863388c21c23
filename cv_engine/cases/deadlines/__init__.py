"""Deadlines: time limits counted by a city's working calendar."""

from __future__ import annotations

from cv_engine.cases.deadlines.calendar import WorkingCalendar
from cv_engine.cases.deadlines.limits import WARN_SHARE, Deadlines
from cv_engine.cases.deadlines.office_hours import OfficeHours
from cv_engine.cases.deadlines.reading import calendar_problems, load_calendar

__all__ = [
    "WARN_SHARE",
    "Deadlines",
    "OfficeHours",
    "WorkingCalendar",
    "calendar_problems",
    "load_calendar",
]
