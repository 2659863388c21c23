"""The errors of this package."""

from __future__ import annotations


class ModelError(ValueError):
    """Weights that are missing, damaged, of an unknown kind, or not fit for what was asked.

    The message says what was wrong, with which file, and what to do about it.
    """


class ModelUnavailable(ModelError):
    """Weights that none of their sources gives at present."""
