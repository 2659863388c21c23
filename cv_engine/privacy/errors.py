"""Errors of privacy; each message says what to do."""

from __future__ import annotations

from cv_engine.errors import EngineError


class PrivacyError(EngineError):
    """What was asked for is not handed out or deleted; the message says why, and what to do."""
