"""Acquisitions: which images were compared, and when each was taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rasterio.io import DatasetReader

from satellite.errors import SatelliteError

# A date in a name: 20200831, 2020-08-31 or 2020_08_31, not within a longer number.
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_]?)(\d\d)\2(\d\d)(?!\d)")
# How tags write a time.
_FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One of the two compared images.

    Attributes:
        name: File name, or the item's id in its catalogue.
        time: Acquisition time, timezone-aware.
        resolution_m: Side of a pixel on the ground, metres.
        sha256: Hex digest of the file, where the file was read whole.
    """

    name: str
    time: datetime
    resolution_m: float
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise SatelliteError(f"{self.name}: its time has no time zone: give one, such as Z")


def acquisition_time(dataset: DatasetReader, name: str) -> datetime | None:
    """The time at which an image was taken.

    GDAL's acquisition tag comes first, then the TIFF date and time tag, unless the file name
    carries an earlier day: many programs write their processing time into that tag.

    Args:
        dataset: The opened image.
        name: The file's name, which may carry a date.

    Returns:
        The time in UTC (midnight where only the day is known); ``None`` where no time is recorded.
    """
    taken = _time(dataset.tags(ns="IMAGERY").get("ACQUISITIONDATETIME", ""))
    if taken is not None:
        return taken
    tagged = _time(dataset.tags().get("TIFFTAG_DATETIME", ""))
    named = next(_dates(name), None)
    if tagged is None or (named is not None and named + timedelta(days=1) <= tagged):
        return named
    return tagged


def to_utc(time: datetime) -> datetime:
    """A time in UTC; a time without a zone is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _time(text: str) -> datetime | None:
    plain = text.strip().rstrip("Z").partition(".")[0]
    for form in _FORMATS:
        with suppress(ValueError):
            return datetime.strptime(plain, form).replace(tzinfo=UTC)
    return None


def _dates(name: str) -> Iterator[datetime]:
    for year, _, month, day in _DATE.findall(name):
        with suppress(ValueError):
            yield datetime(int(year), int(month), int(day), tzinfo=UTC)
