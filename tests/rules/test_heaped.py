"""Bicycles heaped: how many, how close, and one stay for a heap whichever vehicles come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely

from cv_engine.rules.heaped import HeapedRule, HeapedSettings
from cv_engine.tracking.still import Still
from tests.rules.watching import HEIGHT, Corners, still, watch, zone
from zones.zone import Zone

SAMPLES = np.arange(0, 400, 2.0).tolist()
KERB: Corners = (100, 100, 700, 300)


def _rule(*zones: Zone, **settings: Any) -> HeapedRule:
    chosen = HeapedSettings(**({"dwell_s": 60.0, "at_least": 4} | settings))
    return HeapedRule(zones or [zone(corners=KERB)], chosen, gap_s=20.0, height=HEIGHT)


def _row(
    count: int, time_s: float, *, gap_px: float = 10.0, first: int = 1, began: Sequence[float] = ()
) -> list[Still]:
    """Bicycles side by side, 30 x 40 px each."""
    boxes = [(110 + n * (30 + gap_px), 200.0, 140 + n * (30 + gap_px), 240.0) for n in range(count)]
    times = began or [0.0] * count
    return [
        still(first + n, box, began=times[n], seen=time_s, votes={"bicycle": 1.0})
        for n, box in enumerate(boxes)
    ]


def test_a_heap_is_one_violation_with_the_number_of_its_vehicles() -> None:
    due, ended = watch(_rule(), lambda t: _row(6, t) if t <= 200 else [], SAMPLES)
    (case,), (end,) = due, ended
    assert (case.kind, case.zone) == ("non_motor_vehicles_heaped", "kerb")
    assert case.box == (110.0, 200.0, 340.0, 240.0)
    assert case.attributes == {"vehicles": 6, "limit_s": 60.0}
    assert (end.thing, end.observed) == (case.thing, 200.0)


@pytest.mark.parametrize(
    ("count", "gap_px", "settings", "heaps"),
    [
        pytest.param(3, 10.0, {}, 0, id="too-few"),
        pytest.param(4, 10.0, {}, 1, id="just-enough"),
        pytest.param(4, 30.0, {}, 1, id="a-width-apart"),
        pytest.param(4, 31.0, {}, 0, id="too-far-apart"),
        pytest.param(4, 31.0, {"within_widths": 1.1}, 1, id="further-apart-allowed"),
        pytest.param(2, 10.0, {"at_least": 2}, 1, id="two-make-a-heap"),
        pytest.param(6, 10.0, {"enabled": False}, 0, id="disabled"),
    ],
)
def test_number_and_extent_make_a_heap(
    count: int, gap_px: float, settings: dict[str, Any], heaps: int
) -> None:
    due, _ = watch(_rule(**settings), lambda t: _row(count, t, gap_px=gap_px), SAMPLES)
    assert len(due) == heaps


@pytest.mark.parametrize(
    ("numbers", "heaps"),
    [
        ((("heap_at_least", 7.0),), 0),
        ((("heap_at_least", 6.0),), 1),
        ((("heap_within_widths", 0.2),), 0),
        ((), 1),
    ],
)
def test_a_zones_own_settings_come_first(
    numbers: tuple[tuple[str, float], ...], heaps: int
) -> None:
    rule = _rule(zone(corners=KERB, numbers=numbers))
    assert len(watch(rule, lambda t: _row(6, t), SAMPLES)[0]) == heaps


def test_only_vehicles_in_the_zone_count() -> None:
    narrow = zone(corners=(100, 100, 240, 300))  # the wheels of three of the six
    assert not watch(_rule(narrow), lambda t: _row(6, t), SAMPLES)[0]


@pytest.mark.parametrize(("smallest", "heaps"), [(0.075, 1), (0.0775, 0)])
def test_only_vehicles_of_the_smallest_size_count(smallest: float, heaps: int) -> None:
    due, _ = watch(_rule(min_size=smallest), lambda t: _row(6, t), SAMPLES)
    assert len(due) == heaps


def test_vehicles_along_a_slanting_kerb_are_a_heap() -> None:
    """Each stands in the zone, though most of the lower edge of the box around them does not."""
    kerb = shapely.Polygon([(100, 230), (360, 100), (360, 150), (100, 280)])
    slanting = replace(zone(corners=KERB), polygon=kerb)

    def things(t: float) -> list[Still]:
        return [
            still(n, (110 + 40 * n, 205 - 20 * n, 140 + 40 * n, 245 - 20 * n), seen=t)
            for n in range(6)
        ]

    assert len(watch(_rule(slanting), things, SAMPLES)[0]) == 1


def test_the_stay_starts_with_the_vehicle_that_made_the_heap() -> None:
    began = [0.0, 30.0, 10.0, 80.0, 150.0]
    due, _ = watch(
        _rule(),
        lambda t: [each for each in _row(5, t, began=began) if each.began <= t],
        SAMPLES,
    )
    assert [(case.began, case.observed) for case in due] == [(80.0, 140.0)]


def test_a_heap_stays_one_whichever_vehicles_come_and_go() -> None:
    def things(t: float) -> list[Still]:
        row = _row(8, t)
        left = int(t // 50)  # one leaves from the left every 50 s, another joins at the right
        return row[min(left, 4) : min(left, 4) + 4]

    due, ended = watch(_rule(), things, SAMPLES)
    assert len(due) == 1
    assert not ended


def test_two_heaps_are_two_violations() -> None:
    def things(t: float) -> list[Still]:
        right = [still(20 + n, (450 + 40 * n, 200, 480 + 40 * n, 240), seen=t) for n in range(4)]
        return _row(4, t) + right

    due, _ = watch(_rule(), things, SAMPLES)
    assert len({case.thing for case in due}) == 2


def test_a_heap_that_parts_is_two_heaps_of_which_one_goes_on() -> None:
    def things(t: float) -> list[Still]:
        return [each for each in _row(9, t) if t < 100 or each.id != 5]

    due, ended = watch(_rule(within_widths=0.5), things, SAMPLES)
    assert sorted(case.observed for case in due) == [60.0, 100.0]
    assert len({case.thing for case in due}) == 2
    assert not ended
