"""Object detectors and change networks: their weights, and running them on this machine's CPU."""

from models.errors import ModelError

__all__ = ["ModelError"]
