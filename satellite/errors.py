"""The error that the satellite package raises for input that its user can correct."""

from cv_engine.errors import EngineError


class SatelliteError(EngineError):
    """An image, an area or a setting cannot be used; the text says what, where, and what to do."""
