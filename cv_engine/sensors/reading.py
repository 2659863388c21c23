"""From a report's measurements to what they say about the condition, with hysteresis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cv_engine.sensors.condition import FAULTS, Condition, Reading
from cv_engine.sensors.report import Position, Report

if TYPE_CHECKING:
    from pyproj import Geod

_POSITION_ERROR_M = 15.0  # of a small receiver between houses, where the device states none


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The measurements that show a fault, and those that end it.

    Between the two values of a pair a fault that is open stays open, and no fault begins.

    Attributes:
        tilt_deg: A cover at this angle, degrees, is out of its frame: covers lie within a few
            degrees of the road, which rarely slopes by more than 10.
        tilt_clear_deg: The angle, degrees, below which a cover lies in its frame again.
        moved_m: A device at this distance from its registered place, metres, beyond the errors of
            both positions, has been moved.
        moved_clear_m: The distance, metres, within which the device is in its place again.
        lost_m: A device at this distance, metres, has been taken away.
        bounce_g: A cover with this acceleration, g, bounces under the wheels; traffic on a fixed
            cover stays below a few tenths.
        bounce_clear_g: The acceleration, g, below which a cover lies firmly again.
    """

    tilt_deg: float = 15.0
    tilt_clear_deg: float = 8.0
    moved_m: float = 10.0
    moved_clear_m: float = 5.0
    lost_m: float = 100.0
    bounce_g: float = 1.5
    bounce_clear_g: float = 0.8


def read(report: Report, place: Position, condition: Condition, limits: Thresholds) -> Reading:
    """What a report says about the condition of a device.

    Args:
        report: The report.
        place: The registered place.
        condition: The open fault, or ``NORMAL``.
        limits: The measurements that show a fault.
    """
    open_fault = condition is not Condition.NORMAL
    shown, denied, values = list[Condition](), set[Condition](), dict[str, Any]()
    if report.event in FAULTS:
        shown.append(report.event)
    elif report.event is Condition.NORMAL:
        denied |= set(FAULTS)
    if report.tilt_deg is not None:
        values["tilt_deg"] = round(report.tilt_deg, 1)
        limit = limits.tilt_clear_deg if open_fault else limits.tilt_deg
        _sort(report.tilt_deg >= limit, Condition.TILTED, shown, denied)
    if report.acceleration_g is not None:
        values["acceleration_g"] = round(report.acceleration_g, 2)
        limit = limits.bounce_clear_g if open_fault else limits.bounce_g
        _sort(report.acceleration_g >= limit, Condition.BOUNCING, shown, denied)
    elif report.event is not Condition.BOUNCING:
        denied.add(Condition.BOUNCING)  # devices report bouncing while it lasts, and never its end
    if report.displaced is not None:
        _sort(report.displaced, Condition.MOVED, shown, denied)
    if report.position is not None:
        distance_m = _beyond_errors_m(place, report.position)
        values["moved_m"] = round(distance_m)
        moved = distance_m >= (limits.moved_clear_m if open_fault else limits.moved_m)
        _sort(moved, Condition.MOVED, shown, denied)
        _sort(distance_m >= limits.lost_m, Condition.LOST, shown, denied)
    elif report.displaced is False:
        denied.add(Condition.LOST)
    if report.time_from == "receipt":
        values["time_from"] = report.time_from
    worst = max(shown, key=FAULTS.index, default=Condition.NORMAL)
    return Reading(report.at, worst, frozenset(denied - set(shown)), values)


def distance_m(one: Position, other: Position) -> float:
    """Distance of two positions on the ellipsoid, metres."""
    return abs(float(_wgs84().inv(one.longitude, one.latitude, other.longitude, other.latitude)[2]))


def _beyond_errors_m(place: Position, position: Position) -> float:
    """Distance that the errors of both positions do not explain, metres."""
    errors = [
        _POSITION_ERROR_M if each.accuracy_m is None else each.accuracy_m
        for each in (place, position)
    ]
    return max(0.0, distance_m(place, position) - sum(errors))


def _sort(present: bool, fault: Condition, shown: list[Condition], denied: set[Condition]) -> None:
    if present:
        shown.append(fault)
    else:
        denied.add(fault)


@cache
def _wgs84() -> Geod:
    from pyproj import Geod

    return Geod(ellps="WGS84")
