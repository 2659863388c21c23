"""The taxonomy: the classes of the cities' standards, as versioned data with crosswalks."""

from __future__ import annotations

from cv_engine.cases.taxonomy.model import (
    CaseClass,
    Major,
    Priority,
    Reason,
    Recurrence,
    Retention,
    Stage,
    Standard,
    Taxonomy,
)
from cv_engine.cases.taxonomy.reading import check_departments, load_taxonomy, problems_of
from cv_engine.cases.taxonomy.time_limit import TimeLimit, TimeUnit

__all__ = [
    "CaseClass",
    "Major",
    "Priority",
    "Reason",
    "Recurrence",
    "Retention",
    "Stage",
    "Standard",
    "Taxonomy",
    "TimeLimit",
    "TimeUnit",
    "check_departments",
    "load_taxonomy",
    "problems_of",
]
