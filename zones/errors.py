"""What is wrong with a zones file or a camera's points, and the error that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: File and line, feature and key, or the camera's name.
        what: What is wrong, with the offending value.
        advice: What to do about it.
        severity: ``"error"`` stops the use of the file, ``"warning"`` does not.
    """

    where: str
    what: str
    advice: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.advice}"


class ZoneError(ValueError):
    """Zones or a camera's points cannot be used.

    Attributes:
        problems: Everything that was found, in file order; the text has one line for each.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class OutOfSight(ZoneError):
    """The zone is sound, but no part of it lies in the camera's picture."""
