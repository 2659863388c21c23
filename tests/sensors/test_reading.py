from __future__ import annotations

from typing import Any

import pytest

from cv_engine.sensors.condition import FAULTS, Condition
from cv_engine.sensors.reading import Thresholds, distance_m, read
from cv_engine.sensors.report import Position
from tests.sensors.made import PLACE, away, report

B, T, N, M, L = (
    Condition.BOUNCING,
    Condition.TILTED,
    Condition.NORMAL,
    Condition.MOVED,
    Condition.LOST,
)


@pytest.mark.parametrize(
    ("values", "worst", "denied"),
    [
        ({}, N, {B}),
        ({"event": N}, N, set(FAULTS)),
        ({"event": L}, L, {B}),
        ({"tilt_deg": 14.9}, N, {B, T}),
        ({"tilt_deg": 15.0}, T, {B}),
        ({"tilt_deg": 2.0, "event": T}, T, {B}),
        ({"acceleration_g": 1.6}, B, set()),
        ({"acceleration_g": 0.1}, N, {B}),
        ({"displaced": True}, M, {B}),
        ({"displaced": False}, N, {B, M, L}),
        ({"position": away(8)}, N, {B, M, L}),
        ({"position": away(20)}, M, {B, L}),
        ({"position": away(200)}, L, {B}),
        ({"event": N, "position": away(200)}, L, {B, T}),
        ({"tilt_deg": 40.0, "acceleration_g": 3.0, "displaced": True}, M, set()),
        # The device's own error explains the distance.
        ({"position": Position(PLACE.longitude, away(20).latitude, 15.0)}, N, {B, M, L}),
    ],
)
def test_a_report_shows_its_worst_fault_and_denies_what_it_measures(
    values: dict[str, Any], worst: Condition, denied: set[Condition]
) -> None:
    found = read(report(0, **values), PLACE, N, Thresholds())
    assert found.worst is worst
    assert found.denied >= denied
    assert not found.denied & {worst}
    assert read(report(0), PLACE, N, Thresholds()).denied == {B}


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"tilt_deg": 10.0}, T),
        ({"acceleration_g": 1.0}, B),
        ({"position": away(10)}, M),
    ],
)
def test_between_the_two_values_an_open_fault_stays_and_none_begins(
    values: dict[str, Any], fault: Condition
) -> None:
    assert read(report(0, **values), PLACE, N, Thresholds()).worst is N
    assert read(report(0, **values), PLACE, fault, Thresholds()).worst is fault


def test_distances_are_those_on_the_ground() -> None:
    assert distance_m(PLACE, PLACE) == 0
    assert abs(distance_m(PLACE, away(100)) - 100) < 1
