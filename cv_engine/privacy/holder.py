"""Holders: the parts of the program that hold data about a vehicle beside its cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cv_engine.cases import Actor


@dataclass(frozen=True, slots=True)
class Kept:
    """What a request for erasure leaves, and why.

    Attributes:
        what: What is kept, such as ``"case 12"``.
        why: The reason, for the person who asked.
    """

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What a holder did with a request for erasure.

    Attributes:
        count: Number of records that were removed, or made anonymous.
        kept: What is kept until a later request, and why.
        beyond: What is not this program's to remove, and whose it is.
    """

    count: int
    kept: tuple[Kept, ...] = ()
    beyond: tuple[Kept, ...] = ()


class Holder(Protocol):
    """A part of the program that holds data about vehicles: the registry, the notices."""

    @property
    def name(self) -> str:
        """What it holds, in one word, such as ``"registry"``."""

    def held(self, plate: str, by: Actor, why: str) -> Sequence[Mapping[str, Any]]:
        """All that is held about a plate, as JSON objects for the person who asks.

        Args:
            plate: The plate, as :func:`cv_engine.plate.normal_plate` writes it.
            by: Who discloses, for the log of what only some roles may see.
            why: The reason.
        """

    def erase(self, plate: str, at: datetime) -> Removed:
        """Remove what is held about a plate; doing so again changes nothing."""
