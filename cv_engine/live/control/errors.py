"""What is wrong with the control process of live watching."""

from __future__ import annotations

from cv_engine.errors import EngineError


class HostError(Exception):
    """A worker cannot be started here; the message says why."""


class MetricsError(EngineError):
    """The metrics cannot be served; the message says what to do."""
