"""The error of the command line."""

from __future__ import annotations

from cv_engine.errors import EngineError


class InputError(EngineError):
    """An argument cannot be used; the message names it and shows the right form."""
