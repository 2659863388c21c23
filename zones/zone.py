"""Zones: the ground that is watched, for which violations, and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import MultiPolygon, Polygon, box

from zones.camera import Camera, only_areas
from zones.crossings import cross_too_often
from zones.document import MOST_PROBLEMS, Document, read_document
from zones.errors import OutOfView, Problem, ScheduleError, WrongValue, ZoneError
from zones.features import feature_locations
from zones.schedule import Schedule, time_zone
from zones.settings import Frame, NoticeTime, NumberSetting, Settings, read_settings
from zones.shape import CROSSES_TOO_OFTEN, read_shape

__all__ = ["Zone", "ZoneError", "load_zones", "on_image", "visible_zones", "whole_frame"]


@dataclass(frozen=True)
class Zone:
    """Ground that is watched.

    Attributes:
        name: The name that appears in cases.
        kinds: The violations watched for.
        polygon: Pixels (x right, y down) or degrees WGS 84 (longitude first), see ``frame``.
        frame: ``"image"`` or ``"wgs84"``.
        dwell_s: Seconds that a thing must stay; ``None`` for the rule's own.
        schedule: The hours, and the days, on which the zone is watched.
        min_size: Shorter side of the smallest box that counts, as a share of the frame's height;
            ``None`` for the rule's own.
        min_size_m: The same in metres where the thing stands, which comes first where the camera's
            ground control points give it.
        camera: The only camera that watches the zone; ``None`` for every camera that shows it.
        notice: When the driver of a vehicle in the zone is asked to leave.
        warning_until: The last day of the warning period, in which no driver is cited; ``None``
            without one.
        address: The place in words, for notices and searches.
        numbers: Properties that rules add, as name and value.
    """

    name: str
    kinds: frozenset[str]
    polygon: Polygon | MultiPolygon
    frame: Frame = "image"
    dwell_s: float | None = None
    schedule: Schedule = dataclasses.field(default_factory=lambda: Schedule.parse(None))
    min_size: float | None = None
    min_size_m: float | None = None
    camera: str | None = None
    notice: NoticeTime = "confirmed"
    warning_until: date | None = None
    address: str | None = None
    numbers: tuple[tuple[str, float], ...] = ()

    def number(self, name: str, default: float) -> float:
        """A property that a rule adds to zones, or the default where the zone has none."""
        return dict(self.numbers).get(name, default)

    def is_warning(self, at: datetime) -> bool:
        """Whether a moment (timezone-aware) is in the zone's warning period."""
        if self.warning_until is None:
            return False
        return at.astimezone(time_zone(self.schedule.timezone)).date() <= self.warning_until


@dataclass(frozen=True, slots=True)
class _Part:
    """A feature of the file: part of a zone.

    Attributes:
        index: Number of the feature, from 1.
        location: Location of the feature in the file.
        settings: Properties of the zone.
        polygon: Ground of the feature.
    """

    index: int
    location: list[str | int]
    settings: Settings
    polygon: Polygon | MultiPolygon


def whole_frame(width: int, height: int, kinds: Iterable[str]) -> Zone:
    """The zone that is watched where no zones file is given.

    Args:
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.
        kinds: The violations watched for.
    """
    return Zone("whole frame", frozenset(kinds), box(0, 0, width, height))


def load_zones(
    path: Path,
    *,
    kinds: Collection[str],
    numbers: Mapping[str, NumberSetting] | None = None,
    timezone: str = "UTC",
    camera: Camera | None = None,
    height: int | None = None,
) -> list[Zone]:
    """Read the zones of a GeoJSON file.

    Features with one name (and camera) are parts of one zone.

    Args:
        path: The file.
        kinds: The violations that exist.
        numbers: The properties of zones that rules add, by name.
        timezone: IANA name that schedules are read in.
        camera: The camera that the zones are read for, if it is known.
        height: Height of the camera's frame in pixels, if it is known, for messages.

    Returns:
        The zones in the order of the file, each with ``frame`` as written.

    Raises:
        ZoneError: The file has problems; the error holds all, with line, feature and key.
    """
    try:
        Schedule.parse(None, timezone)
    except ScheduleError as error:
        what, _, advice = str(error).partition("; ")
        raise ZoneError(Problem(str(path), what, advice)) from None
    document = read_document(path)
    problems: list[Problem] = []
    parts: list[_Part] = []
    for index, location in enumerate(feature_locations(document), start=1):
        read = partial(
            read_settings, kinds=kinds, timezone=timezone, numbers=numbers or {}, height=height
        )
        found = _read_feature(document, location, index, read)
        if isinstance(found, list):
            problems += found
            if len(problems) >= MOST_PROBLEMS:
                break
        else:
            parts.append(_Part(index, location, *found))
    problems += _disagreements(document, parts)
    problems += _without_scale(document, parts, camera)
    if problems:
        raise ZoneError(problems[:MOST_PROBLEMS])
    return _join(document, parts)


def on_image(zone: Zone, camera: Camera | None, width: int, height: int) -> Zone:
    """Convert a zone to pixels of a camera's picture, clipped to the frame.

    Args:
        zone: A zone in pixels or WGS 84.
        camera: The camera, which zones in WGS 84 need.
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.

    Returns:
        The zone with ``frame == "image"``.

    Raises:
        OutOfView: No part of the zone lies in the frame.
        ZoneError: The zone is in WGS 84 and the camera has no ground control points.
    """
    where = f"zone {zone.name}"
    if zone.frame == "image":
        polygon = only_areas(zone.polygon.intersection(box(0, 0, width, height)))
        what = (
            f"the zone lies outside the frame of {width} x {height} pixels: {_bounds(zone.polygon)}"
        )
        advice = "draw it again on a frame of this size, or correct its coordinates"
    elif camera is None:
        what = "the zone is in WGS 84, and the video belongs to no camera of the configuration"
        raise ZoneError(
            Problem(
                where,
                what,
                "name a camera that has ground control points, "
                'or draw the zone in pixels with "frame": "image"',
            )
        )
    else:
        polygon = camera.to_image(zone.polygon, width, height)
        what = f"camera {camera.name} does not show the zone"
        advice = "check the zone's place and the camera's ground control points"
    if polygon.is_empty:
        raise OutOfView(Problem(where, what, advice))
    return dataclasses.replace(zone, polygon=polygon, frame="image")


def visible_zones(
    zones: Iterable[Zone], camera: Camera | None, width: int, height: int
) -> list[Zone]:
    """The zones that a camera watches, in pixels of its frame.

    A map zone that the camera does not show is left out, unless the zone is for this camera only.
    A zone of another camera is left out. A zone in pixels outside the frame is an error.

    Raises:
        ZoneError: See :func:`on_image`; the error holds the problems of all zones.
    """
    visible: list[Zone] = []
    problems: list[Problem] = []
    for zone in zones:
        if zone.camera is not None and (camera is None or zone.camera != camera.name):
            continue
        try:
            visible.append(on_image(zone, camera, width, height))
        except OutOfView as error:
            if zone.frame == "image" or zone.camera is not None:
                problems += error.problems
        except ZoneError as error:
            problems += error.problems
    if problems:
        raise ZoneError(problems)
    return visible


def _read_feature(
    document: Document,
    location: list[str | int],
    index: int,
    read: Callable[[Mapping[str, Any]], tuple[Settings | None, dict[str, WrongValue]]],
) -> tuple[Settings, Polygon | MultiPolygon] | list[Problem]:
    feature = document.value["features"][location[1]] if location else document.value
    name = f"feature {index}"
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        advice = 'write {"type": "Feature", "properties": {...}, "geometry": {...}}'
        return [Problem(document.where(location, name), "the entry is no GeoJSON feature", advice)]
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    if isinstance(properties.get("zone"), str) and properties["zone"].isprintable():
        name = f"feature {index} ({properties['zone']:.60})"
    settings, wrong = read(properties)
    problems = [
        Problem(
            document.where([*location, "properties", key], f"{name}: {key:.60}"),
            error.what,
            error.advice,
        )
        for key, error in wrong.items()
    ]
    frame = "image" if properties.get("frame") == "image" else "wgs84"
    try:
        if "frame" not in wrong:
            polygon = read_shape(document, location, name, frame)
    except ZoneError as error:
        problems += error.problems
    return problems if problems or settings is None else (settings, polygon)


def _disagreements(document: Document, parts: Sequence[_Part]) -> Iterator[Problem]:
    """Problems of features that differ from an earlier one with their name and camera."""
    firsts: dict[str, dict[str | None, Settings]] = {}
    for part in parts:
        settings = part.settings
        known = firsts.setdefault(settings.zone, {})
        # A feature for every camera is part of the zone of each camera, too.
        rivals = (known.get(settings.camera), known.get(None), *list(known.values())[:1])
        for first in rivals if settings.camera is None else rivals[:2]:
            different = first and [
                field.name
                for field in dataclasses.fields(Settings)
                if getattr(first, field.name) != getattr(settings, field.name)
            ]
            if different:
                where = document.where(part.location, f"feature {part.index} ({settings.zone})")
                what = f"another feature with this name has another {different[0]}"
                yield Problem(where, what, "rename one, or make both equal")
                break
        known.setdefault(settings.camera, settings)


def _without_scale(
    document: Document, parts: Sequence[_Part], camera: Camera | None
) -> Iterator[Problem]:
    """Problems of sizes in metres that a camera without ground control points cannot measure."""
    if camera is None or camera.ground_control_points:
        return
    for part in parts:
        settings = part.settings
        if settings.min_size_m is not None and settings.camera in (None, camera.name):
            name = f"feature {part.index} ({settings.zone}): min_size_m"
            yield Problem(
                document.where([*part.location, "properties", "min_size_m"], name),
                f"camera {camera.name} has no ground control points, which give metres",
                "add ground_control_points to the camera, or give min_size, "
                "a share of the frame's height",
            )


def _join(document: Document, parts: Sequence[_Part]) -> list[Zone]:
    joined: dict[Settings, list[_Part]] = {}
    for part in parts:
        joined.setdefault(part.settings, []).append(part)
    return [_zone(document, settings, each) for settings, each in joined.items()]


def _zone(document: Document, settings: Settings, parts: Sequence[_Part]) -> Zone:
    shapes = [part.polygon for part in parts]
    if cross_too_often(shapes):
        where = document.where(parts[0].location, f"zone {settings.zone}")
        raise ZoneError(Problem(where, CROSSES_TOO_OFTEN, "draw one outline around the ground"))
    return Zone(
        name=settings.zone,
        polygon=only_areas(shapely.union_all(shapes)),
        **{
            field.name: getattr(settings, field.name)
            for field in dataclasses.fields(Settings)
            if field.name != "zone"
        },
    )


def _bounds(polygon: Polygon | MultiPolygon) -> str:
    left, top, right, bottom = polygon.bounds
    return f"x {left:g} to {right:g}, y {top:g} to {bottom:g}"
