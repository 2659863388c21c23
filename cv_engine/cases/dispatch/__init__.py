"""Dispatch: departments, teams and areas of responsibility, and who is responsible for a case."""

from __future__ import annotations

from cv_engine.cases.dispatch.organisation import (
    Area,
    Department,
    Officer,
    Organisation,
    actor_named,
)
from cv_engine.cases.dispatch.reading import problems_of, read_departments, read_organisation

__all__ = [
    "Area",
    "Department",
    "Officer",
    "Organisation",
    "actor_named",
    "problems_of",
    "read_departments",
    "read_organisation",
]
