"""Times, durations and places in words, the same wherever a person reads them."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cv_engine.finding import Place

# Hours from which a duration is given in days: buildings stay for months.
_DAYS_FROM_H = 72


def local_time(at: datetime, zone: tzinfo) -> str:
    """A moment in a time zone, with its offset from UTC."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def duration(seconds: float) -> str:
    """A duration in its two largest units.

    Example:
        >>> duration(400)
        '6 min 40 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAYS_FROM_H:
        days, hours = divmod(hours, 24)
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def stay(seconds: float | None) -> str:
    """How long a thing stayed; a dash where that is not known."""
    return "-" if seconds is None else duration(seconds)


def place(where: Place) -> str:
    """A place as text: latitude, longitude, accuracy, and whether it is the camera's own."""
    if where.geometry is None:
        return "unknown"
    from shapely.geometry import shape

    point = shape(dict(where.geometry)).representative_point()
    text = f"{point.y:.6f}, {point.x:.6f}"
    if where.accuracy_m is not None:
        text += f" ±{where.accuracy_m:.0f} m"
    return text if where.basis != "camera" else f"{text} (the camera's)"
