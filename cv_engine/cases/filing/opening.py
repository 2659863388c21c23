"""Opening: what a new case has besides what its findings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cv_engine.cases.lifecycle import State
from cv_engine.cases.stages import Limits, entered
from cv_engine.cases.taxonomy import Priority, Stage


@dataclass(frozen=True, slots=True)
class Opening:
    """The city's rules for new cases.

    Attributes:
        limits: The limits of the stages.
        area_of: Returns the name of the area of responsibility of a row of table ``cases``.
    """

    limits: Limits
    area_of: Callable[[Mapping[str, Any]], str | None]

    def columns(self, row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """The columns of table ``cases`` that are added to those of a new case.

        Args:
            row: The new case.
            at: When the case is reported (timezone-aware).
        """
        kind, urgent = row["kind"], row["priority"] == Priority.URGENT
        return {
            **entered(self.limits, kind, State.REPORTED, at, urgent=urgent),
            "close_due_at": self.limits.due(kind, Stage.CLOSE, at, urgent=urgent),
            "area": self.area_of(row),
        }
