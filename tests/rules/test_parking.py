from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
import shapely

from cv_engine.rules.confidence import of_vehicle
from cv_engine.rules.parking import MotorParkingRule, NonMotorParkingRule, ParkingSettings
from cv_engine.rules.vehicles import stands_in
from cv_engine.tracking.still import Still
from tests.rules.watching import FRIDAY, HEIGHT, Corners, still, watch, zone
from zones.zone import Zone

GAP_S = 20.0
MOTOR, NON_MOTOR = MotorParkingRule.kind, NonMotorParkingRule.kind
SAMPLES = np.arange(0, 400, 2.0).tolist()


def _rule(
    *zones: Zone, kind: str = MOTOR, dwell_s: float = 60, min_size: float = 0.04
) -> MotorParkingRule:
    rule = MotorParkingRule if kind == MOTOR else NonMotorParkingRule
    settings = ParkingSettings(dwell_s=dwell_s, non_motor_dwell_s=dwell_s, min_size=min_size)
    return rule(zones, settings, GAP_S, HEIGHT)


def test_a_parked_car_is_one_case_with_its_facts() -> None:
    due, ended = watch(
        _rule(zone()),
        lambda t: (
            [still(seen=t, began=10.0, votes={"car": 1, "truck": 3})] if 12 <= t <= 200 else []
        ),
        SAMPLES,
    )
    (case,), (end,) = due, ended
    assert (case.kind, case.zone, case.thing) == (MOTOR, "kerb", 1)
    assert (case.began, case.observed) == (10.0, 70.0)
    assert case.box == (150.0, 110.0, 210.0, 150.0)
    assert case.confidence == of_vehicle(0.8)
    assert case.attributes == {"vehicle": "truck", "limit_s": 60.0}
    assert (end.thing, end.began, end.observed) == (1, 10, 200)
    assert end.observed - end.began == 190.0


def test_what_the_tracker_gives_up_has_ended_there_and_then() -> None:
    rule = _rule(zone())
    watch(rule, lambda t: [still(seen=t)], np.arange(0, 100, 2.0).tolist())
    due, ended = watch(rule, lambda _: [], [100.0])
    assert not due
    assert [violation.observed for violation in ended] == [98.0]


def test_hidden_at_the_moment_is_still_there() -> None:
    """A bus stops before it for less than the gap: the tracker keeps it, last seen a while ago."""
    due, ended = watch(
        _rule(zone()),
        lambda t: [still(seen=min(t, 30.0) if t < 48 else t)],
        np.arange(0, 120, 2.0).tolist(),
    )
    assert [violation.observed for violation in due] == [60.0]
    assert not ended


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        pytest.param((150, 110, 210, 150), True, id="within"),
        pytest.param((150, 60, 210, 120), True, id="wheels-in-roof-out"),
        pytest.param((150, 150, 210, 260), False, id="roof-in-wheels-below"),
        pytest.param((58, 110, 138, 150), False, id="less-than-half-of-the-wheels"),
        pytest.param((62, 110, 150, 150), True, id="more-than-half-of-the-wheels"),
        pytest.param((150, 20, 210, 98), False, id="above"),
        pytest.param((150, 150, 150, 150), False, id="no-box-at-all"),
    ],
)
def test_the_ground_contact_decides(box: Corners, inside: bool) -> None:
    assert stands_in(np.array(box, np.float32), zone().polygon) is inside
    due, _ = watch(_rule(zone()), lambda t: [still(box=box, seen=t)], SAMPLES)
    assert bool(due) is inside


def test_a_hole_in_the_zone_is_not_in_the_zone() -> None:
    ring = shapely.box(0, 0, 400, 300).difference(shapely.box(100, 100, 300, 200))
    assert not stands_in(np.array((150, 110, 210, 150), np.float32), ring)


@pytest.mark.parametrize(
    ("zone_dwell_s", "due_s"),
    [pytest.param(None, 60.0, id="the-rule's"), pytest.param(120.0, 120.0, id="the-zone's")],
)
def test_the_zones_own_dwell_comes_first(zone_dwell_s: float | None, due_s: float) -> None:
    due, _ = watch(_rule(zone(dwell_s=zone_dwell_s)), lambda t: [still(seen=t)], SAMPLES)
    assert [violation.observed for violation in due] == [due_s]


@pytest.mark.parametrize(
    ("rules_own", "zones_own", "counts"),
    [
        (0.04, None, True),
        (0.1, None, True),
        (0.11, None, False),
        (0.11, 0.1, True),
        (0.04, 0.11, False),
    ],
)
def test_the_shorter_side_must_reach_the_minimum(
    rules_own: float, zones_own: float | None, counts: bool
) -> None:
    rule = _rule(zone(min_size=zones_own), min_size=rules_own)
    due, _ = watch(rule, lambda t: [still(seen=t)], SAMPLES)  # 60 x 40 pixels of 400 lines
    assert bool(due) is counts


@pytest.mark.parametrize(
    ("kind", "watched", "counts"),
    [
        (MOTOR, [MOTOR], True),
        (MOTOR, [NON_MOTOR, "clutter"], False),
        (NON_MOTOR, [NON_MOTOR], True),
        (NON_MOTOR, [MOTOR], False),
    ],
)
def test_only_zones_that_watch_for_the_kind(kind: str, watched: list[str], counts: bool) -> None:
    due, _ = watch(_rule(zone(kinds=watched), kind=kind), lambda t: [still(seen=t)], SAMPLES)
    assert [violation.kind for violation in due] == ([kind] if counts else [])


def test_two_zones_at_once_are_two_stays_of_their_own() -> None:
    zones = [zone("kerb", dwell_s=60), zone("fire lane", (0, 0, 400, 300), dwell_s=30)]
    due, ended = watch(_rule(*zones), lambda t: [still(seen=t)] if t <= 200 else [], SAMPLES)
    assert [(case.zone, case.observed) for case in due] == [("fire lane", 30), ("kerb", 60)]
    assert {case.zone for case in ended} == {"kerb", "fire lane"}


def test_driving_from_zone_to_zone_counts_in_each_for_itself() -> None:
    """45 s in the left half, then 45 s in the right one, with the same number."""
    zones = [zone("left", (0, 0, 200, 200)), zone("right", (200, 0, 400, 200))]

    def things(t: float) -> list[Still]:
        box: Corners = (50, 50, 110, 90) if t < 45 else (250, 50, 310, 90)
        return [still(box=box, seen=t, began=0.0 if t < 45 else 45.0)]

    due, _ = watch(_rule(*zones), things, np.arange(0, 90, 2.0).tolist())
    assert not due


def test_a_queue_that_moves_up_is_no_case() -> None:
    """Every 40 s each car moves up to the next place: the tracker restarts its stay."""

    def things(t: float) -> list[Still]:
        move = int(t // 40)
        return [
            still(
                car,
                (110 + 60 * (car - move), 110, 160 + 60 * (car - move), 150),
                began=40.0 * move,
                seen=t,
            )
            for car in range(move, move + 3)
        ]

    due, ended = watch(_rule(zone()), things, SAMPLES)
    assert not due and not ended


def test_one_that_leaves_and_another_that_takes_its_place_are_two_stays() -> None:
    def things(t: float) -> list[Still]:
        if t < 100:
            return [still(1, seen=t)]
        return [still(2, seen=t, began=104.0)] if 106 <= t < 200 else []

    due, ended = watch(_rule(zone()), things, SAMPLES)
    assert [(case.thing, case.began) for case in due] == [(1, 0), (2, 104)]
    assert [(case.thing, case.observed) for case in ended] == [(1, 98), (2, 198)]


def test_neither_half_of_a_change_makes_a_whole() -> None:
    """Two cars of 40 s each in one place are not one of 80 s."""

    def things(t: float) -> list[Still]:
        return [still(1 if t < 40 else 2, seen=t, began=0.0 if t < 40 else 40.0)]

    due, _ = watch(_rule(zone()), things, np.arange(0, 82, 2.0).tolist())
    assert not due


HOURS = "Mo-Fr 08:10-08:20"


@pytest.mark.parametrize(
    ("began_s", "due_s", "due_began_s"),
    [
        pytest.param(0, 660, 600, id="there-before-it-was-forbidden"),
        pytest.param(590, 660, 600, id="came-just-before"),
        pytest.param(700, 760, 700, id="came-meanwhile"),
        pytest.param(1150, None, None, id="allowed-again-before-it-was-too-long"),
        pytest.param(1300, None, None, id="came-after"),
    ],
)
def test_only_forbidden_hours_count(
    began_s: float, due_s: float | None, due_began_s: float | None
) -> None:
    rule = _rule(zone(schedule=HOURS))
    samples = np.arange(0, 3000, 2.0).tolist()
    due, ended = watch(
        rule, lambda t: [still(seen=t, began=began_s)] if t >= began_s else [], samples
    )
    assert [(case.observed, case.began) for case in due] == (
        [] if due_s is None else [(due_s, due_began_s)]
    )
    # What is allowed again at 08:20 has ended then, even if the car stays.
    assert [case.observed for case in ended] == [1198.0 for _ in due]


def test_a_weekend_is_no_weekday() -> None:
    saturday = FRIDAY + timedelta(days=1)
    samples = np.arange(0, 1500, 5.0).tolist()
    due, _ = watch(_rule(zone(schedule=HOURS)), lambda t: [still(seen=t)], samples, saturday)
    assert not due


def test_each_days_hours_are_a_stay_of_their_own() -> None:
    """Ten hours of footage would be long: two windows an hour apart do the same."""
    rule = _rule(zone(schedule="08:00-08:05,09:00-09:05"))
    samples = np.arange(0, 4200, 5.0).tolist()
    due, ended = watch(rule, lambda t: [still(seen=t)], samples)
    assert [(case.began, case.observed) for case in due] == [(0, 60), (3600, 3660)]
    assert [case.observed for case in ended] == [295, 3895]


def test_samples_that_do_not_fall_on_the_minute() -> None:
    """The hours begin between two samples, and media time does not start at a full minute."""
    start = FRIDAY + timedelta(minutes=9, seconds=47.3)
    samples = np.arange(0, 200, 7.0).tolist()
    rule = _rule(zone(schedule=HOURS))
    due, _ = watch(rule, lambda t: [still(seen=t)], samples, start)
    (case,) = due
    assert case.observed == 77.0
    assert case.began == pytest.approx(12.7)


def test_driving_through_leaves_nothing_behind() -> None:
    rule = _rule(zone())
    due, ended = watch(rule, lambda t: [still(int(t), seen=t, began=t)], SAMPLES)
    assert not due and not ended
    assert all(len(dwell.stays) <= 1 for dwell in rule.dwells)
