"""The errors of the sensors."""

from __future__ import annotations

from collections.abc import Sequence

from cv_engine.errors import EngineError
from zones.errors import Problem

_MOST_SHOWN = 100  # problems in one message


class SensorError(EngineError):
    """Sensors cannot be read, registered or watched; the message says why and what to do."""


class MessageError(SensorError):
    """A message is refused.

    Attributes:
        reason: A word for the counter of refused messages, such as ``"not_json"``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImportFileError(SensorError):
    """A file of devices has errors, and none of its devices is registered.

    Attributes:
        problems: All problems in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"{len(self.problems) - _MOST_SHOWN} more; correct these first")
        super().__init__("\n".join(lines))
