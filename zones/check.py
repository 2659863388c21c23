"""Everything that is wrong, or doubtful, with a zones file for one camera."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import shapely

from zones.camera import Camera
from zones.errors import Problem, ZoneError
from zones.settings import NumberSetting
from zones.zone import Zone, load_zones, on_image

_MOSTLY_OUTSIDE = 0.5  # part of a zone outside the frame from which it was drawn for another frame
_LEAST_SIDE_PX = 8.0  # pixels; no detector finds anything in a strip narrower than this
_SHARED_PART = 0.5  # part of the smaller zone that two zones share when they are the same ground
_POOR_PLACE_M = 10.0  # metres; beyond this a place no longer tells one shop front from the next


def check(
    path: Path,
    width: int | None = None,
    height: int | None = None,
    camera: Camera | None = None,
    *,
    kinds: Collection[str],
    numbers: Mapping[str, NumberSetting] | None = None,
    timezone: str = "UTC",
) -> list[Problem]:
    """What is wrong with a zones file, and where.

    Args:
        path: GeoJSON file.
        width: Of the camera's frame in pixels; without it the zones are not compared with a frame.
        height: Of the camera's frame in pixels.
        camera: The camera that the zones are for.
        kinds: The violations that exist.
        numbers: The properties of zones that rules add, by name.
        timezone: IANA name that schedules are read in.

    Returns:
        Errors, which stop the use of the file, and warnings; empty when all is well.
    """
    try:
        zones = load_zones(path, kinds=kinds, numbers=numbers, timezone=timezone)
    except ZoneError as error:
        return list(error.problems)
    mine = [zone for zone in zones if _is_for(zone, camera)]
    if not mine:
        names = ", ".join(sorted({zone.camera for zone in zones if zone.camera}))
        what = f"no zone is for {f'camera {camera.name}' if camera else 'every camera'}"
        advice = f'correct "camera" in the properties; the file names {names}'
        return [Problem(str(path), what, advice, "warning")]
    problems: list[Problem] = []
    if width is not None and height is not None:
        seen = []
        for zone in mine:
            try:
                seen.append((zone, on_image(zone, camera, width, height)))
            except ZoneError as error:
                problems += [_in_file(path, problem) for problem in error.problems]
        for written, drawn in seen:
            problems += _doubts(path, written, drawn, camera)
        problems += _shared(path, [drawn for _, drawn in seen])
    return problems


def _is_for(zone: Zone, camera: Camera | None) -> bool:
    return zone.camera is None or camera is None or zone.camera == camera.name


def _in_file(path: Path, problem: Problem) -> Problem:
    return Problem(f"{path}: {problem.where}", problem.what, problem.advice, problem.severity)


def _doubts(path: Path, written: Zone, drawn: Zone, camera: Camera | None) -> Iterator[Problem]:
    where = f"{path}: zone {written.name}"
    if written.frame == "image":
        outside = 1 - drawn.polygon.area / written.polygon.area
        if outside > _MOSTLY_OUTSIDE:
            what = f"{outside:.0%} of it lies outside the frame"
            advice = "check that it was drawn on a frame of this size"
            yield Problem(where, what, advice, "warning")
    narrow = 2 * float(shapely.maximum_inscribed_circle(drawn.polygon).length)
    if narrow < _LEAST_SIDE_PX:
        what = f"it is only {narrow:.1f} pixels wide in the picture"
        yield Problem(where, what, "draw it wider, or use a camera that is nearer", "warning")
    if camera is not None and camera.fit_error_m is not None:
        yield from _far_end(where, drawn, camera)


def _far_end(where: str, drawn: Zone, camera: Camera) -> Iterator[Problem]:
    worst = 0.0
    corner = (0.0, 0.0)
    for x, y in np.asarray(shapely.get_coordinates(drawn.polygon)):
        found = camera.locate(float(x), float(y))
        accuracy = found.accuracy_m if found.basis == "homography" else math.inf
        if accuracy is not None and accuracy > worst:
            worst, corner = accuracy, (float(x), float(y))
    if worst > _POOR_PLACE_M:
        place = f"at x {corner[0]:.0f}, y {corner[1]:.0f}"
        what = f"{place} a thing can be placed to {worst:.0f} m only"
        if math.isinf(worst):
            what = f"{place} it reaches the horizon, where nothing can be placed"
        advice = "add a ground control point near there, or end the zone nearer to the camera"
        yield Problem(where, what, advice, "warning")


def _shared(path: Path, drawn: list[Zone]) -> Iterator[Problem]:
    for number, zone in enumerate(drawn):
        for other in drawn[:number]:
            if other.name == zone.name or not other.kinds & zone.kinds:
                continue
            common = zone.polygon.intersection(other.polygon).area
            if common > _SHARED_PART * min(zone.polygon.area, other.polygon.area):
                kinds = ", ".join(sorted(other.kinds & zone.kinds))
                what = f"zones {other.name} and {zone.name} cover the same ground for {kinds}"
                advice = "one thing gives two cases there; join them or draw them apart"
                yield Problem(str(path), what, advice, "warning")
