from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cv_engine.rules.clutter import ClutterRule, ClutterSettings
from cv_engine.rules.confidence import of_thing
from tests.rules.watching import HEIGHT, Corners, settled, watch, zone
from tests.zones.scene import street_camera
from zones.zone import Zone

SAMPLES = np.arange(0, 400, 2.0).tolist()


def _rule(*zones: Zone, dwell_s: float = 60, min_size: float = 0.03) -> ClutterRule:
    return ClutterRule(zones, ClutterSettings(dwell_s=dwell_s, min_size=min_size), 20.0, HEIGHT)


def test_a_thing_left_standing_is_one_case_with_its_facts() -> None:
    due, ended = watch(
        _rule(zone()),
        lambda t: [settled(seen=t, began=10.0, attended=25.0)] if 12 <= t <= 200 else [],
        SAMPLES,
    )
    (case,), (end,) = due, ended
    assert (case.kind, case.zone, case.began, case.observed) == ("clutter", "kerb", 10, 70)
    assert case.attributes == {"unattended_s": 45.0, "limit_s": 60.0}
    assert (end.began, end.observed) == (10, 200)


@pytest.mark.parametrize(
    ("attended", "unattended_s"),
    [
        pytest.param(None, 60.0, id="no-person-was-ever-near"),
        pytest.param(40.0, 20.0, id="somebody-left"),
        pytest.param(60.0, 0.0, id="somebody-stands-by"),
    ],
)
def test_how_long_no_person_has_been_near(attended: float | None, unattended_s: float) -> None:
    due, _ = watch(_rule(zone()), lambda t: [settled(seen=t, attended=attended)], SAMPLES)
    assert due[0].attributes["unattended_s"] == unattended_s


@pytest.mark.parametrize(("logit", "confidence"), [(0.0, 0.5), (2.0, 0.8808)])
def test_a_case_carries_the_probability_of_a_thing(logit: float, confidence: float) -> None:
    due, _ = watch(_rule(zone()), lambda t: [settled(seen=t, logit=logit)], SAMPLES)
    assert due[0].confidence == pytest.approx(of_thing(confidence), abs=1e-4)


def test_what_is_rather_no_thing_is_no_case() -> None:
    due, _ = watch(_rule(zone()), lambda t: [settled(seen=t, logit=-0.1)], SAMPLES)
    assert not due


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        pytest.param({}, True, id="plainly-there"),
        pytest.param({"whole": False}, False, id="somebody-stands-before-it"),
        pytest.param({"asked": 0}, False, id="detector-not-asked"),
        pytest.param({"hits": 2, "samples": 2}, False, id="too-few-samples"),
        pytest.param({"hits": 3, "samples": 6}, True, id="every-second-sample"),
        pytest.param({"hits": 3, "samples": 7}, False, id="traffic-that-passes-the-same-place"),
    ],
)
def test_it_must_be_there_to_be_seen(values: dict[str, Any], counts: bool) -> None:
    due, _ = watch(_rule(zone()), lambda t: [settled(seen=t, **values)], SAMPLES)
    assert bool(due) is counts


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        pytest.param((150, 110, 190, 150), True, id="within"),
        pytest.param((80, 110, 120, 150), True, id="half"),
        pytest.param((79, 110, 119, 150), False, id="less-than-half"),
        pytest.param((10, 10, 50, 50), False, id="outside"),
        pytest.param((150, 110, 150, 150), False, id="no-box-at-all"),
    ],
)
def test_most_of_it_must_lie_in_the_zone(box: Corners, inside: bool) -> None:
    assert ClutterRule.inside(np.array(box, np.float32), zone().polygon) is inside
    due, _ = watch(_rule(zone()), lambda t: [settled(box=box, seen=t)], SAMPLES)
    assert bool(due) is inside


@pytest.mark.parametrize(
    ("zone_settings", "due_s"),
    [
        ({}, [60.0]),
        ({"dwell_s": 90.0}, [90.0]),
        ({"min_size": 0.11}, []),
        ({"kinds": ["motor_vehicle_parked"]}, []),
        ({"schedule": "Mo-Fr 08:01-18:00"}, [120.0]),
        ({"schedule": "Sa 08:00-18:00"}, []),
    ],
)
def test_the_zone_says_what_counts(zone_settings: dict[str, Any], due_s: list[float]) -> None:
    due, _ = watch(_rule(zone(**zone_settings)), lambda t: [settled(seen=t)], SAMPLES)
    assert [case.observed for case in due] == due_s


def test_the_rules_minimum_stands_where_the_zone_has_none() -> None:
    due, _ = watch(_rule(zone(), min_size=0.11), lambda t: [settled(seen=t)], SAMPLES)
    assert not due
    exempt = zone(min_size=0.05)
    due, _ = watch(_rule(exempt, min_size=0.11), lambda t: [settled(seen=t)], SAMPLES)
    assert len(due) == 1


@pytest.mark.parametrize(
    ("zones_own", "rules_own", "counts"),
    [
        pytest.param({}, {"min_size_m": 0.3}, True, id="metres-of-the-rule"),
        pytest.param({}, {"min_size_m": 0.6}, False, id="more-metres-of-the-rule"),
        pytest.param({"min_size_m": 0.3}, {"min_size_m": 0.6}, True, id="metres-of-the-zone"),
        pytest.param({"min_size": 0.1}, {"min_size_m": 0.6}, True, id="share-of-the-zone"),
        pytest.param({"min_size": 0.9, "min_size_m": 0.3}, {}, True, id="both-of-the-zone"),
        pytest.param({"min_size_m": 0.3}, {"min_size": 0.9}, True, id="share-of-the-rule"),
    ],
)
def test_metres_come_first_and_the_zones_sizes_before_the_rules(
    zones_own: dict[str, Any], rules_own: dict[str, Any], counts: bool
) -> None:
    """A thing of 40 pixels, where a pixel spans 9 mm."""
    camera = street_camera()
    scale = camera.metres_per_pixel(660, 660)
    assert scale == pytest.approx(0.0092, rel=0.01)
    thing: Corners = (640, 620, 680, 660)
    ground = zone(corners=(500, 500, 800, 700), **zones_own)
    rule = ClutterRule([ground], ClutterSettings(dwell_s=60.0, **rules_own), 20.0, HEIGHT, camera)
    due, _ = watch(rule, lambda t: [settled(box=thing, seen=t)], SAMPLES)
    assert bool(due) is counts


def test_several_things_are_several_cases() -> None:
    def things(t: float) -> list[Any]:
        boxes: list[Corners] = [(120, 110, 150, 140), (200, 110, 230, 140)]
        return [settled(n, box, seen=t, began=10.0 * n) for n, box in enumerate(boxes, start=1)]

    due, _ = watch(_rule(zone(), zone("all", (0, 0, 400, 300))), things, SAMPLES)
    assert sorted((case.thing, case.zone) for case in due) == [
        *[(1, "all"), (1, "kerb"), (2, "all"), (2, "kerb")]
    ]
