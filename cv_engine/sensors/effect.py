"""Effect: what a change of condition does to the queue, written down before it is done.

An effect is kept in the device's row by the transaction that changes the condition, and removed
when the queue has it. Every effect is idempotent, so that a program killed in between repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from cv_engine.finding import Finding


@dataclass(frozen=True, slots=True)
class Opened:
    """A finding that was filed and has not ended.

    Attributes:
        key: The finding's key.
        began: The finding's start.
        recorded_at: Until when the queue knows that the thing was seen.
    """

    key: str
    began: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """One call of the queue.

    Attributes:
        do: ``"file"``, ``"seen"`` or ``"gone"``.
        at: When the thing was seen, or was normal again.
        key: The finding's key; for ``"seen"`` and ``"gone"``.
        finding: The finding; for ``"file"``.
        note: How the end is known; for ``"gone"``.
    """

    do: Literal["file", "seen", "gone"]
    at: datetime
    key: str = ""
    finding: Finding | None = None
    note: str = ""


class Cases(Protocol):
    """What effects need of a queue; :class:`cv_engine.cases.Queue` has it."""

    def file(self, finding: Finding) -> object:
        """File a finding, once."""

    def seen(self, key: str, at: datetime) -> None:
        """Record that the thing is still there."""

    def gone(self, key: str, at: datetime, note: str = "") -> bool:
        """Record that the thing is normal again."""


def carry_out(effect: Effect, cases: Cases) -> None:
    """Do what an effect says; doing so again changes nothing.

    Raises:
        QueueError: The queue refuses, or cannot be reached.
    """
    if effect.finding is not None:
        cases.file(effect.finding)
    elif effect.do == "seen":
        cases.seen(effect.key, effect.at)
    else:
        cases.gone(effect.key, effect.at, effect.note)
