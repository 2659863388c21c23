"""The error of the configuration."""

from __future__ import annotations

from cv_engine.errors import EngineError


class ConfigError(EngineError):
    """The configuration cannot be used.

    The text has one line per problem: file, line, key, what is wrong, what to do.
    """


class YamlError(EngineError):
    """The text is not a YAML document. ``line`` counts from 1; 0 means unknown."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
