"""The error of recorded footage."""

from __future__ import annotations

from cv_engine.errors import EngineError


class LedgerError(EngineError):
    """The progress of a run cannot be written; the message says what to do."""
