"""The error of the demo."""

from __future__ import annotations

from cv_engine.errors import EngineError


class DemoError(EngineError):
    """The demo cannot be prepared; the message says why and what to do."""
