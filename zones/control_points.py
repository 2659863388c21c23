"""Ground control points: the fit of a homography, and which point is wrong where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zones.errors import Problem, ZoneError
from zones.homography import Homography, fit, outliers, pixel_jacobian
from zones.plane import Array, LocalPlane

MIN_POINTS = 4  # a plane homography has 8 unknowns, a point gives 2
MAX_POINTS = 200  # each is compared with all others, and twenty make a good fit
# With points closer to one line than this part of their extent, the clicking error dominates.
_LINE_THICKNESS = 0.01
# With fewer points, a fit without one of them cannot judge it.
_MIN_JUDGED_POINTS = 6
# Standard errors between a point and the fit of the others. Correct points stay below 4 (measured
# on 400 random sets). A far point pulls the fit towards itself, so its own residual says little.
_MAX_LEAVE_ONE_OUT = 4.0
# Standard errors from which a point is doubtful. Of sets of eight correct points 3 % have such a
# point (measured on 300 random sets), and to look at it again costs little.
_DOUBTFUL = 2.5
# Times `max_fit_error_m` from which it is doubtful even where so few points expect no better.
_FAR_TIMES = 5.0
_SAME_PIXEL = 1.0  # pixels; a click is no more precise
_SAME_PLACE_M = 0.05  # metres; no survey of a street is more precise
_MAX_EXTENT_M = 5000.0  # metres; no street camera sees farther, so a digit is wrong


@dataclass(frozen=True, slots=True)
class GroundControlPoint:
    """A spot on the ground whose pixel and place on the map are known.

    Attributes:
        x: Pixel in the full frame, right.
        y: Pixel in the full frame, down.
        lat: Degrees WGS 84.
        lon: Degrees WGS 84.
    """

    x: float
    y: float
    lat: float
    lon: float


def fit_points(
    camera: str,
    points: Sequence[GroundControlPoint],
    *,
    max_fit_error_m: float,
    pixel_error: float,
    point_error_m: float,
) -> tuple[LocalPlane, Homography]:
    """Fit a camera's homography to its points.

    Args:
        camera: The camera's name, for messages.
        points: At least four points.
        max_fit_error_m: The largest root mean square error that is accepted.
        pixel_error: Standard error of the given pixels.
        point_error_m: Standard error of the given places, in metres.

    Raises:
        ZoneError: Points are too few, not finite, duplicate, collinear, contradictory or fit badly.
    """
    where = f"camera {camera}: ground_control_points"
    problems = _check_values(where, points)
    if problems:
        raise ZoneError(problems)
    plane = LocalPlane(
        float(np.mean([p.lat for p in points])), float(np.mean([p.lon for p in points]))
    )
    pixels = np.array([[p.x, p.y] for p in points])
    metres = plane.to_metres(np.array([[p.lon, p.lat] for p in points]))
    problems = _check_arrangement(where, pixels, metres)
    if problems:
        raise ZoneError(problems)
    homography = fit(pixels, metres, pixel_error, point_error_m)
    problem = _check_fit(where, homography, pixels, metres, max_fit_error_m)
    if problem:
        raise ZoneError(problem)
    return plane, homography


def doubtful_points(
    homography: Homography, max_fit_error_m: float
) -> tuple[tuple[int, float], ...]:
    """The points that the others put elsewhere, which is less than a proof that they are wrong.

    Args:
        homography: The fit of the points.
        max_fit_error_m: The largest root mean square error that is accepted.

    Returns:
        Number of each doubtful point, from 1, and its distance in metres from where the fit of the
        others puts it; the farthest first.
    """
    missed = homography.left_out_m
    if missed is None:
        return ()
    errors = _leave_one_out(homography)
    found = [
        (number, float(metres))
        for number, (metres, error) in enumerate(zip(missed, errors, strict=True), start=1)
        if metres > max_fit_error_m and (error > _DOUBTFUL or metres > _FAR_TIMES * max_fit_error_m)
    ]
    return tuple(sorted(found, key=lambda each: -each[1]))


def _check_values(where: str, points: Sequence[GroundControlPoint]) -> list[Problem]:
    problems = []
    if len(points) < MIN_POINTS:
        problems.append(
            Problem(
                where,
                f"{len(points)} given, at least {MIN_POINTS} are needed",
                "add spots on the ground that are visible both in the picture and on a map, "
                "or remove them all",
            )
        )
    if len(points) > MAX_POINTS:
        what = f"{len(points)} given, at most {MAX_POINTS} are used"
        return [Problem(where, what, "keep those that are spread best over the ground")]
    for number, point in enumerate(points, start=1):
        values = (point.x, point.y, point.lat, point.lon)
        if not np.isfinite(values).all():
            problems.append(
                Problem(f"{where}: point {number}", "a value is not a finite number", "correct it")
            )
        elif abs(point.lat) > 90 or abs(point.lon) > 180:
            problems.append(
                Problem(
                    f"{where}: point {number}",
                    f"latitude {point.lat:g}, longitude {point.lon:g} is no place on Earth",
                    "exchange latitude and longitude"
                    if abs(point.lat) <= 180 and abs(point.lon) <= 90
                    else "give degrees WGS 84",
                )
            )
    return problems


def _check_arrangement(where: str, pixels: Array, metres: Array) -> list[Problem]:
    extent = float(np.max(np.hypot(*(metres - np.median(metres, axis=0)).T)))
    if extent > _MAX_EXTENT_M:
        far = int(np.argmax(np.hypot(*(metres - np.median(metres, axis=0)).T))) + 1
        what = f"point {far} lies {extent / 1000:.0f} km from the others"
        return [Problem(where, what, "correct its latitude and longitude")]
    for coordinates, least, plural in (
        (pixels, _SAME_PIXEL, "in the picture"),
        (metres, _SAME_PLACE_M, "on the ground"),
    ):
        pair = _duplicates(coordinates, least)
        if pair:
            what = f"points {pair[0]} and {pair[1]} are the same {plural}"
            return [Problem(where, what, "correct or remove one of them")]
        line = _collinear(coordinates)
        if line:
            named = "all points" if len(line) == len(pixels) else f"points {_listed(line)}"
            what = f"{named} lie on one line {plural}"
            advice = "add points off that line, spread over the ground that the picture shows"
            return [Problem(where, what, advice)]
    return []


def _duplicates(coordinates: Array, least: float) -> tuple[int, int] | None:
    for i in range(len(coordinates)):
        for j in range(i):
            if np.hypot(*(coordinates[i] - coordinates[j])) < least:
                return j + 1, i + 1
    return None


def _collinear(coordinates: Array) -> list[int]:
    """Numbers of the points that lie on one line, where at most one point lies off it.

    A homography needs four points in general position. Distinct points contain no such four
    exactly where all of them, or all but one, are collinear.
    """
    count = len(coordinates)
    everything = list(range(count))
    subsets = [everything, *([j for j in everything if j != i] for i in everything)]
    for subset in subsets:
        chosen = coordinates[subset] - coordinates[subset].mean(axis=0)
        long_side, short_side = np.linalg.svd(chosen, compute_uv=False)[:2]
        if short_side < _LINE_THICKNESS * long_side:
            return [i + 1 for i in subset]
    return []


def _check_fit(
    where: str, homography: Homography, pixels: Array, metres: Array, max_fit_error_m: float
) -> Problem | None:
    worst = _worst(homography, pixels, metres, max_fit_error_m)
    if (homography.depth(pixels) <= 0).any():
        what = "no camera can show these points: the horizon would run between them"
        advice = f"check {worst} first; often two points are exchanged or a sign is wrong"
        return Problem(where, what, advice)
    if homography.rms_m > max_fit_error_m:
        what = (
            f"the points do not fit together: {homography.rms_m:.1f} m root mean square error, "
            f"{max_fit_error_m:g} m allowed"
        )
        return Problem(where, what, f"check {worst} first: pixel, latitude and longitude")
    errors = _leave_one_out(homography)
    farthest = int(np.argmax(errors))
    if (
        len(pixels) >= _MIN_JUDGED_POINTS
        and homography.left_out_m is not None
        and errors[farthest] > _MAX_LEAVE_ONE_OUT
        and homography.left_out_m[farthest] > max_fit_error_m
    ):
        metres_off = homography.left_out_m[farthest]
        what = f"point {farthest + 1} lies {metres_off:.1f} m from its place by the other points"
        return Problem(where, what, f"check {worst} first: pixel, latitude and longitude")
    # With y pointing down, the picture has the opposite orientation of east and north.
    if all(np.linalg.det(pixel_jacobian(homography.to_ground_matrix, x, y)) > 0 for x, y in pixels):
        return Problem(
            where,
            "the ground is mirrored: left in the picture is right on the map",
            "check for latitude and longitude exchanged, points exchanged, or y counted upwards",
        )
    return None


def _worst(homography: Homography, pixels: Array, metres: Array, max_fit_error_m: float) -> str:
    """The point or points to check first, as text."""
    wrong = outliers(pixels, metres, max_fit_error_m)
    if 1 < len(wrong) <= len(pixels) - _MIN_JUDGED_POINTS + 1:
        return f"points {_listed([i + 1 for i in wrong])}"
    if len(pixels) == MIN_POINTS:
        return "every point"
    if len(pixels) < _MIN_JUDGED_POINTS:
        return f"point {int(np.argmax(homography.residuals_m)) + 1}"
    return f"point {int(np.argmax(_leave_one_out(homography))) + 1}"


def _leave_one_out(homography: Homography) -> Array:
    """(n,) error of each point by the fit of the others, in standard errors; zeros with four."""
    missed, expected = homography.left_out_m, homography.left_out_sigma_m
    if missed is None or expected is None:
        return np.zeros(len(homography.residuals_m))
    return missed / expected


def _listed(numbers: Sequence[int]) -> str:
    texts = [str(number) for number in numbers]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
