"""Captions: what a still shows, where and when, in words."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from shapely.errors import ShapelyError
from shapely.geometry import shape

from cv_engine.evidence.clock_error import ClockError, clock_line
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.media.exif import Position
from cv_engine.evidence.media.still import Still
from cv_engine.finding import LIMIT, STOOD_BEFORE, Finding, Place
from cv_engine.wording import duration

# Ground control points are accurate to decimetres; ten metres and more are estimates.
_ROUND_FROM_M = 10.0
_BASES = {"homography": "from ground control points", "raster": "from a georeferenced image"}


def caption(
    finding: Finding,
    still: Still,
    timezone: tzinfo,
    clock: ClockError | None = None,
    frame: str | None = None,
) -> list[str]:
    """Writes the lines of a still's caption; the first is its title.

    The number of the case is given when the case is filed, after its pictures are sealed; the
    caption has the case's key.

    Args:
        finding: What the still shows.
        still: The still.
        timezone: The camera's local time.
        clock: The error of the camera's clock, if it was measured.
        frame: Which picture of the clip the still is, in words, where that is known.
    """
    where = [finding.source, *([f"zone {finding.zone}"] if finding.zone else [])]
    times = [_clock(still.time, timezone)] if timezone is not UTC else []
    return [
        f"{title(finding.kind)} · {moment(finding, still)}",
        " · ".join([f"case key {finding.key}", *where]),
        " · ".join(_facts(finding)),
        " · ".join([*times, _clock(still.time, UTC)]),
        " · ".join([clock_line(clock), *([frame] if frame else [])]),
        place_line(finding.place),
    ]


def moment(finding: Finding, still: Still) -> str:
    """Writes which moment of the violation a still shows, and how long after its start."""
    seconds = (still.time - finding.began).total_seconds()
    after = f"{duration(seconds)} after the start"
    limit_s = finding.attributes.get(LIMIT)
    if still.role == "plate":
        return f"number plate, {after}"
    if still.role == "limit" and limit_s is not None and seconds >= limit_s:
        return f"over the limit, {after}"
    if still.role in ("limit", "end"):
        return f"last seen, {after}"
    if still.role == "start" and seconds < 1:
        return "start"
    return after


def _since(finding: Finding) -> str:
    """Writes what the start is counted from, where that is not when the thing came."""
    before = finding.attributes.get(STOOD_BEFORE)
    return " (stood there before the recording)" if before else ""


def _facts(finding: Finding) -> list[str]:
    """Limit, stay and vehicle, as far as they are known."""
    limit_s, vehicle = finding.attributes.get(LIMIT), finding.attributes.get("vehicle")
    limit = [] if limit_s is None else [f"limit {duration(limit_s)}"]
    return [
        *limit,
        f"seen for {duration((finding.observed - finding.began).total_seconds())}{_since(finding)}",
        *([] if vehicle is None else [f"vehicle: {vehicle}"]),
    ]


def description(finding: Finding, still: Still) -> str:
    """Writes one line for the picture's metadata."""
    return (
        f"{title(finding.kind)}, {moment(finding, still)}; {finding.source}; case key {finding.key}"
    )


def position(place: Place) -> Position | None:
    """Returns a point inside a place's geometry; ``None`` if the place is unknown.

    Raises:
        EvidenceError: The geometry is not a GeoJSON geometry in degrees.
    """
    if place.geometry is None:
        return None
    try:
        point = shape(dict(place.geometry)).representative_point()
        longitude, latitude = float(point.x), float(point.y)
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise EvidenceError(f"the finding's geometry is not GeoJSON: {error}") from error
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise EvidenceError(
            f"the finding's geometry lies at longitude {longitude}, latitude {latitude}: give it "
            "in degrees of WGS 84, longitude first"
        )
    return Position(latitude, longitude, place.accuracy_m, place.basis)


def place_line(place: Place) -> str:
    """Writes a place with its accuracy."""
    point = position(place)
    if point is None:
        return "position unknown"
    north = f"{abs(point.latitude):.5f}° {'N' if point.latitude >= 0 else 'S'}"
    east = f"{abs(point.longitude):.5f}° {'E' if point.longitude >= 0 else 'W'}"
    within = f" ± {_metres(point.accuracy_m)}" if point.accuracy_m is not None else ""
    if point.basis == "camera":
        return f"camera position {north}, {east}{within}"
    known = _BASES.get(point.basis)
    return f"{north}, {east}{within}" + (f" ({known})" if known else "")


def title(kind: str) -> str:
    """Writes a kind of violation in plain words."""
    return kind.replace("_", " ").capitalize()


def _metres(length_m: float) -> str:
    """Writes a length without exponent, to a decimetre where the estimate is that accurate."""
    return f"{length_m:.1f} m" if length_m < _ROUND_FROM_M else f"{length_m:,.0f} m"


def _clock(time: datetime, timezone: tzinfo) -> str:
    local = time.astimezone(timezone)
    offset = "UTC" if timezone is UTC else local.isoformat()[-6:]
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {offset}"
