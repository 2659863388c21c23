"""The error that the satellite package raises for what its user can mend."""


class SatelliteError(ValueError):
    """An image, an area or a setting cannot be used; the text says what, where, and what to do."""
