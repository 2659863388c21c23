"""Detectors: which weights there are, how to get them, and how to run them on this machine's CPU."""

from models.errors import ModelError

__all__ = ["ModelError"]
