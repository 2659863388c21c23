"""What a package shows, as far as courts ask: read from its files, not from what it claims."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any

from cv_engine.evidence.clock_error import ClockError
from zones.errors import ScheduleError
from zones.schedule import time_zone

ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the camera gave it.

    Attributes:
        view: Kind of picture, such as ``"overview"``.
        role: Moment, such as ``"start"``.
        time: When it was taken.
        width: Pixels.
        height: Pixels.
    """

    view: str
    role: str
    time: datetime
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of the violation.

    Attributes:
        rate: Pictures per second.
        longest_s: The longest stretch without a gap, seconds.
        is_listed: Whether every picture has its number, date and time in a list of the package.
    """

    rate: float
    longest_s: float
    is_listed: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """What the package says about the camera's clock.

    Attributes:
        latest: The last measurement.
        largest_s: Largest possible error by all measurements, seconds.
        days: Time from the first to the last measurement, days.
        widest_gap_h: Longest time without a measurement, hours.
    """

    latest: ClockError
    largest_s: float
    days: float
    widest_gap_h: float


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the queue knows of the case; a package alone does not tell.

    Attributes:
        reviewed_by: Who confirmed the violation, if anybody did.
        notice_at: When the keeper got notice.
        destroyed_on: When the pictures are to be destroyed.
    """

    reviewed_by: str | None = None
    notice_at: datetime | None = None
    destroyed_on: date | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a package shows.

    Attributes:
        began: Start of the violation.
        observed: When it was established.
        timezone: The camera's local time.
        pictures: The original pictures.
        clips: The recordings.
        clock: The camera's clock; ``None``: nothing is known of it.
        plate: The plate that was read; empty where none was.
        warned: First and last day on which the zone only gave warnings; ``None`` where that is not
            known.
        case: What the queue knows; ``None`` where it was not asked.
    """

    began: datetime
    observed: datetime
    timezone: tzinfo
    pictures: Sequence[Picture]
    clips: Sequence[Clip]
    clock: Clock | None
    plate: str
    warned: tuple[date, date] | None = None
    case: CaseFacts | None = None


def facts_of(
    folder: Path, content: Mapping[str, Any], case: CaseFacts | None = None
) -> Facts | None:
    """Reads what a package shows.

    Args:
        folder: The package; it verifies.
        content: The package's manifest.
        case: What the queue knows of the case.

    Returns:
        The facts; ``None`` where the package is not one of a violation before a camera.
    """
    finding = content.get("finding")
    if not isinstance(finding, dict) or (not content.get("clips") and not _overviews(content)):
        return None
    provenance = content.get("provenance", {})
    plate = finding.get("attributes", {}).get("plate")
    return Facts(
        began=datetime.fromisoformat(finding["began"]),
        observed=datetime.fromisoformat(finding["observed"]),
        timezone=_zone(provenance),
        pictures=_pictures(folder, content),
        clips=_clips(folder, content),
        clock=_clock(provenance.get("clock_error")),
        plate=str(plate.get("text", "")) if isinstance(plate, dict) else "",
        warned=_warned(provenance.get("site", {})),
        case=case,
    )


def local_zone(content: Mapping[str, Any]) -> tzinfo:
    """The local time of a package's camera; UTC where the package does not say."""
    return _zone(content.get("provenance", {}))


def _warned(site: Mapping[str, Any]) -> tuple[date, date] | None:
    try:
        first, last = site["warning"]["from"], site["warning"]["until"]
        return date.fromisoformat(first), date.fromisoformat(last)
    except (KeyError, TypeError, ValueError):  # also where the zone has no first day
        return None


def _overviews(content: Mapping[str, Any]) -> bool:
    return any(file.get("view") == "overview" for file in content["files"])


def _zone(provenance: Mapping[str, Any]) -> tzinfo:
    name = provenance.get("site", {}).get("timezone", "UTC")
    try:
        return time_zone(str(name))
    except ScheduleError:
        return time_zone("UTC")


def _pictures(folder: Path, content: Mapping[str, Any]) -> list[Picture]:
    from PIL import Image, UnidentifiedImageError

    found = []
    for file in content["files"]:
        if not file["path"].startswith(f"{ORIGINAL}/") or "time" not in file:
            continue
        try:
            with Image.open(folder / file["path"]) as image:
                size = image.size
        except (OSError, UnidentifiedImageError):
            continue  # no picture, such as a raster of several bands
        time = datetime.fromisoformat(file["time"])
        found.append(Picture(str(file.get("view")), str(file.get("role")), time, *size))
    return found


def _clips(folder: Path, content: Mapping[str, Any]) -> list[Clip]:
    found = []
    for note in content.get("clips", ()):
        if note.get("path") is not None:
            times = _times(folder / note["path"])
            listed = note.get("frames")
            is_listed = listed is not None and len(times) == _listed(folder / listed)
            found.append(Clip(_rate(times), _longest_s(times), is_listed))
    return found


def _times(path: Path) -> list[float]:
    """When each picture of a clip is shown, seconds."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return sorted(
                float(packet.pts * packet.time_base)
                for packet in container.demux(stream)
                if packet.pts is not None and packet.size
            )
    except (av.FFmpegError, IndexError):
        return []


def _rate(times: Sequence[float]) -> float:
    length_s = times[-1] - times[0] if times else 0.0
    return (len(times) - 1) / length_s if length_s > 0 else 0.0


# Between two pictures of one stretch; a street camera that sends fewer than one a second does not
# observe continuously.
_GAP_S = 1.0


def _longest_s(times: Sequence[float]) -> float:
    longest = start = 0.0
    for number, time in enumerate(times):
        if number == 0 or time - times[number - 1] > _GAP_S:
            start = time
        longest = max(longest, time - start)
    return longest


def _listed(path: Path) -> int:
    """How many pictures a list numbers, dates and times; 0 where one lacks something."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    try:
        dated = [datetime.fromisoformat(row["time_utc"]) for row in rows]
        numbers = [int(row["number"]) for row in rows]
    except (KeyError, ValueError):
        return 0
    is_sound = numbers == list(range(1, len(rows) + 1)) and dated == sorted(dated)
    return len(rows) if is_sound else 0


def _clock(row: Any) -> Clock | None:
    if not isinstance(row, dict):
        return None
    try:
        latest, history = ClockError.of_json(row), row["history"]
        numbers = (float(history[name]) for name in ("largest_s", "days", "widest_gap_h"))
        return Clock(latest, *numbers)
    except (KeyError, TypeError, ValueError):
        return None
