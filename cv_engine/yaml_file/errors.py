"""The error of a YAML file."""

from __future__ import annotations

from cv_engine.errors import EngineError


class YamlError(EngineError):
    """The text is not a YAML document. ``line`` counts from 1; 0 means unknown."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
