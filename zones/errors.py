"""Problems of a zones file or of a camera's points, and the errors that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes:
        where: File and line, feature and key, or the camera's name.
        what: What is wrong, with the wrong value.
        advice: How to correct it.
        severity: With an ``"error"`` the file cannot be used, with a ``"warning"`` it can.
    """

    where: str
    what: str
    advice: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.advice}"


class ZoneError(ValueError):
    """Zones or a camera's points cannot be used.

    Attributes:
        problems: All problems in the order of the file; the message has one line for each.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class OutOfView(ZoneError):
    """The zone is valid, but no part of it lies in the camera's picture."""


class ScheduleError(ValueError):
    """The text is no schedule; the message names the wrong part and its right form."""


class WrongValue(ValueError):
    """A property's value is wrong.

    Attributes:
        what: What is wrong.
        advice: How to correct it.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}; {advice}")
        self.what = what
        self.advice = advice
