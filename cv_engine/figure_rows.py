"""What the rows of a table of figures are: shared by the statistics and the command line."""

from __future__ import annotations

from enum import StrEnum


class By(StrEnum):
    """What the rows of a table of figures are."""

    CLASS = "class"
    DEPARTMENT = "department"
    TEAM = "team"
    OFFICER = "officer"
    ZONE = "zone"
    AREA = "area"
    SOURCE = "source"
    PRIORITY = "priority"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    PLACE = "place"  # repeat places, which have figures of their own
