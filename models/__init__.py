"""Detectors: which weights there are, how to get them, and how to run them on this machine's CPU."""

from models.error import ModelError

__all__ = ["ModelError"]
