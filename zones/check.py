"""All errors and warnings about a zones file for one camera."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import shapely

from zones.camera import Camera
from zones.crossings import cross_too_often
from zones.document import MOST_PROBLEMS
from zones.errors import OutOfView, Problem, Severity, ZoneError
from zones.settings import NumberSetting
from zones.zone import Zone, load_zones, on_image

# Part of a zone outside the frame above which the zone was drawn for another frame.
_MOSTLY_OUTSIDE = 0.5
_LEAST_SIDE_PX = 8.0  # pixels; detectors find nothing in a narrower strip
_SHARED_PART = 0.5  # two zones that share more than this part of the smaller one are reported
_MOST_PAIRS = 2000  # of zones that are compared, and then reported as too many
_POOR_PLACE_M = 10.0  # metres; a less accurate place does not identify a shop front


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
    """The problems of a zones file, with their places.

    Args:
        path: GeoJSON file.
        width: Width of the camera's frame in pixels; ``None`` skips the comparison with a frame.
        height: Height of the camera's frame in pixels.
        camera: The camera that the zones are for.
        kinds: The violations that exist.
        numbers: The properties of zones that rules add, by name.
        timezone: IANA name that schedules are read in.

    Returns:
        Errors, with which the file cannot be used, and warnings; empty without problems.
    """
    try:
        zones = load_zones(
            path, kinds=kinds, numbers=numbers, timezone=timezone, camera=camera, height=height
        )
    except ZoneError as error:
        return list(error.problems)
    pictured = width is not None and height is not None
    mine = [zone for zone in zones if _is_for(zone, camera, pictured=pictured)]
    if not mine:
        return [_for_others(path, zones, camera, pictured=pictured)]
    if width is None or height is None:
        return [_in_file(path, problem) for problem in _without_points(mine, camera)]
    problems: list[Problem] = []
    hidden: list[Problem] = []
    drawn_zones = []
    for zone in mine:
        try:
            drawn_zones.append((zone, on_image(zone, camera, width, height)))
        except OutOfView as error:
            # A map's file serves several cameras: each shows a part of it.
            shared = zone.frame == "wgs84" and zone.camera is None
            (hidden if shared else problems).extend(error.problems)
        except ZoneError as error:
            problems += error.problems
    severity: Severity = "warning" if drawn_zones else "error"
    problems += [replace(problem, severity=severity) for problem in hidden]
    problems = [_in_file(path, problem) for problem in problems]
    for written, drawn in drawn_zones:
        problems += _warnings(path, written, drawn, camera)
    problems += islice(_overlaps(path, [drawn for _, drawn in drawn_zones]), MOST_PROBLEMS)
    return problems


def _without_points(zones: Sequence[Zone], camera: Camera | None) -> Sequence[Problem]:
    """The problem of map zones for a camera that has no ground control points."""
    on_map = [zone for zone in zones if zone.frame == "wgs84"]
    if camera is None or camera.ground_control_points or not on_map:
        return []
    try:
        on_image(on_map[0], camera, 1, 1)
    except ZoneError as error:
        return error.problems
    return []


def _is_for(zone: Zone, camera: Camera | None, *, pictured: bool) -> bool:
    """Whether a camera watches a zone; without a camera and a picture, every zone counts."""
    if zone.camera is None or (camera is None and not pictured):
        return True
    return camera is not None and zone.camera == camera.name


def _for_others(
    path: Path, zones: Sequence[Zone], camera: Camera | None, *, pictured: bool
) -> Problem:
    """The problem of a file whose zones are all for other cameras."""
    names = ", ".join(sorted({zone.camera for zone in zones if zone.camera}))
    severity: Severity = "error" if pictured else "warning"
    if camera is None:
        what = f"all zones are for one camera each: {names}"
        return Problem(str(path), what, "name the camera with --camera", severity)
    what = f"no zone is for camera {camera.name}"
    advice = f'correct "camera" in the properties; the file names {names}'
    return Problem(str(path), what, advice, severity)


def _in_file(path: Path, problem: Problem) -> Problem:
    return Problem(f"{path}: {problem.where}", problem.what, problem.advice, problem.severity)


def _warnings(path: Path, written: Zone, drawn: Zone, camera: Camera | None) -> Iterator[Problem]:
    where = f"{path}: zone {written.name}"
    if written.frame == "image":
        outside = 1 - drawn.polygon.area / written.polygon.area
        if outside > _MOSTLY_OUTSIDE:
            what = f"{outside:.0%} of the zone lies outside the frame"
            advice = "check that it was drawn on a frame of this size"
            yield Problem(where, what, advice, "warning")
    narrow = 2 * float(shapely.maximum_inscribed_circle(drawn.polygon).length)
    if narrow < _LEAST_SIDE_PX:
        what = f"the zone is only {narrow:.1f} pixels wide in the picture"
        yield Problem(where, what, "draw it wider, or use a nearer camera", "warning")
    if camera is not None and camera.fit_error_m is not None:
        yield from _accuracy_warnings(where, drawn, camera)


def _accuracy_warnings(where: str, drawn: Zone, camera: Camera) -> Iterator[Problem]:
    worst = 0.0
    corner = (0.0, 0.0)
    for x, y in np.asarray(shapely.get_coordinates(drawn.polygon)):
        found = camera.locate(float(x), float(y))
        accuracy = found.accuracy_m if found.basis == "homography" else math.inf
        if accuracy is not None and accuracy > worst:
            worst, corner = accuracy, (float(x), float(y))
    if worst > _POOR_PLACE_M:
        place = f"at x {corner[0]:.0f}, y {corner[1]:.0f}"
        what = f"{place} places are only accurate to {worst:.0f} m"
        if math.isinf(worst):
            what = f"{place} the zone reaches the horizon, where places are unknown"
        advice = "add a ground control point nearby, or end the zone nearer to the camera"
        yield Problem(where, what, advice, "warning")


def _overlaps(path: Path, drawn: list[Zone]) -> Iterator[Problem]:
    pairs = _near(drawn)
    for number, (first, second) in enumerate(pairs):
        zone, other = drawn[second], drawn[first]
        if other.name == zone.name or not other.kinds & zone.kinds:
            continue
        if number >= _MOST_PAIRS or cross_too_often([zone.polygon, other.polygon]):
            what = "there are too many zones on the same ground to compare each with the others"
            yield Problem(str(path), what, "join zones of the same settings", "warning")
            return
        common = zone.polygon.intersection(other.polygon).area
        if common > _SHARED_PART * min(zone.polygon.area, other.polygon.area):
            kinds = ", ".join(sorted(other.kinds & zone.kinds))
            what = f"zones {other.name} and {zone.name} cover the same ground for {kinds}"
            advice = "one stay there gives two cases; join the zones or draw them apart"
            yield Problem(str(path), what, advice, "warning")


def _near(drawn: list[Zone]) -> list[tuple[int, int]]:
    """Numbers of zones whose bounding boxes share enough for the zones to do so, in order."""
    if not drawn:
        return []
    polygons = np.array([zone.polygon for zone in drawn], object)
    pairs: list[tuple[int, int]] = []
    tree, bounds, areas = (
        shapely.STRtree(polygons),
        shapely.bounds(polygons),
        shapely.area(polygons),
    )
    for second, polygon in enumerate(polygons):
        others = np.sort(tree.query(polygon))
        others = others[others < second]
        low = np.maximum(bounds[others, :2], bounds[second, :2])
        high = np.minimum(bounds[others, 2:], bounds[second, 2:])
        shared = np.prod(np.maximum(high - low, 0.0), axis=1)
        least = _SHARED_PART * np.minimum(areas[others], areas[second])
        pairs += [(int(first), second) for first in others[shared > least]]
        if len(pairs) > _MOST_PAIRS:
            break
    return pairs
