"""The error of the configuration."""

from __future__ import annotations

from cv_engine.errors import EngineError


class ConfigError(EngineError):
    """The configuration cannot be used.

    The text has one line per problem: file, line, key, what is wrong, what to do.
    """
