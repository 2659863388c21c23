"""Stages: the states of a case in which a deadline runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from cv_engine.cases.lifecycle import State
from cv_engine.cases.taxonomy import Stage

#: The stage whose limit runs in a state; no limit runs in the others.
STAGES: Mapping[State, Stage] = {
    State.REPORTED: Stage.CONFIRM,
    State.CONFIRMED: Stage.DISPATCH,
    State.DISPATCHED: Stage.HANDLE,
    State.HANDLED: Stage.VERIFY,
}


class Limits(Protocol):
    """When a stage of a case is due."""

    def due(self, kind: str, stage: str, since: datetime, *, urgent: bool) -> datetime | None:
        """The deadline (UTC) of a stage that began at ``since``; ``None`` without a limit."""
        ...

    def resumed(
        self,
        kind: str,
        stage: str,
        due: datetime,
        pause: tuple[datetime, datetime],
        *,
        urgent: bool,
    ) -> datetime:
        """The deadline (UTC) of a stage after a pause: what was left of its time is left again."""
        ...

    def warn_at(self, start: datetime, due: datetime) -> datetime:
        """When to warn of a deadline (UTC)."""
        ...


class NoLimits:
    """No stage has a limit: time limits are local law, and a city names its own."""

    def due(self, kind: str, stage: str, since: datetime, *, urgent: bool) -> datetime | None:
        """``None``: without a limit."""
        return None

    def resumed(
        self,
        kind: str,
        stage: str,
        due: datetime,
        pause: tuple[datetime, datetime],
        *,
        urgent: bool,
    ) -> datetime:
        """The deadline, moved by the length of the pause."""
        return due + (pause[1] - pause[0])

    def warn_at(self, start: datetime, due: datetime) -> datetime:
        """The deadline itself."""
        return due


def entered(
    limits: Limits, kind: str, state: State, at: datetime, *, urgent: bool
) -> dict[str, Any]:
    """The columns of table ``cases`` for the deadline of a state that a case enters.

    Args:
        limits: The limits of the stages.
        kind: The violation's name.
        state: The state that the case enters.
        at: When the case enters it (timezone-aware).
        urgent: Whether the case is urgent.
    """
    stage = STAGES.get(state)
    due = None if stage is None else limits.due(kind, stage, at, urgent=urgent)
    warn = None if due is None else limits.warn_at(at, due)
    return {"due_at": due, "attention_at": warn, "alert": None}
