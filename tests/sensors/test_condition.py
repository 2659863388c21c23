from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from cv_engine.sensors.condition import (
    FAULTS,
    Change,
    Condition,
    Damping,
    Fault,
    Reading,
    advance,
    due,
    observe,
)
from tests.sensors.made import at

_DAMPING = Damping(enter_s=30, enter_reports=3, window_s=600, quiet_s=1800)
_ALL = frozenset(FAULTS)
T, N, M, L = Condition.TILTED, Condition.NORMAL, Condition.MOVED, Condition.LOST


def _run(readings: Iterable[tuple[float, Condition]], until: float) -> list[Change]:
    """The changes of readings that deny every other fault."""
    fault, changes = Fault(), list[Change]()
    for seconds, condition in readings:
        reading = Reading(at(seconds), condition, _ALL - {condition})
        fault, more = observe(fault, reading, _DAMPING)
        changes += more
    return [*changes, *advance(fault, at(until), _DAMPING)[1]]


def _plain(changes: list[Change]) -> list[tuple[Condition, Condition, float]]:
    return [(each.before, each.after, (each.at - at(0)).total_seconds()) for each in changes]


def test_one_report_that_is_not_denied_opens_a_fault_with_its_start() -> None:
    assert _plain(_run([(10, T)], 39)) == []
    assert _plain(_run([(10, T)], 40)) == [(N, T, 10)]


def test_a_report_that_is_denied_soon_opens_nothing() -> None:
    assert _run([(10, T), (20, N)], 100_000) == []


def test_three_reports_within_the_window_open_a_fault_though_denied_between() -> None:
    rocking = [(0, T), (10, N), (200, T), (210, N), (400, T)]
    assert _plain(_run(rocking, 401)) == [(N, T, 0)]
    assert _run([(0, T), (10, N), (400, T), (410, N), (800, T)], 801) == []


def test_a_fault_ends_after_a_quiet_time_at_the_first_report_without_it() -> None:
    assert _plain(_run([(0, T), (1000, N)], 2799)) == [(N, T, 0)]
    assert _plain(_run([(0, T), (1000, N), (2000, N)], 2800)) == [(N, T, 0), (T, N, 1000)]
    # A report of the fault in between starts the quiet time again.
    assert _plain(_run([(0, T), (1000, N), (1500, T), (1600, N)], 3399)) == [(N, T, 0)]


def test_a_fault_that_is_not_denied_lasts() -> None:
    assert _plain(_run([(0, T)], 10_000_000)) == [(N, T, 0)]


def test_a_fault_becomes_worse_and_never_better_before_it_ends() -> None:
    changes = _plain(_run([(0, T), (100, M), (200, L), (300, T)], 1000))
    assert changes == [(N, T, 0), (T, M, 100), (M, L, 200)]


def test_a_report_about_the_tilt_does_not_end_a_move() -> None:
    fault, _ = observe(Fault(), Reading(at(0), M), _DAMPING)
    fault, changes = observe(fault, Reading(at(100), N, frozenset({T})), _DAMPING)
    assert [each.after for each in changes] == [M]
    assert advance(fault, at(100_000), _DAMPING) == (fault, ())


_READINGS = st.lists(
    st.tuples(st.integers(1, 900), st.sampled_from([N, N, *FAULTS])), min_size=1, max_size=60
)


@given(_READINGS)
def test_flapping_at_any_rate_opens_at_most_one_fault_in_a_quiet_time(
    steps: list[tuple[int, Condition]],
) -> None:
    now, readings = 0, []
    for step, condition in steps:
        now += step
        readings.append((float(now), condition))
    changes = _run(readings, now + 10_000)
    opened = [each.at for each in changes if each.before is N]
    gaps = [(b - a).total_seconds() for a, b in pairwise(opened)]
    assert all(gap >= _DAMPING.quiet_s for gap in gaps)
    assert [each.before for each in changes[1:]] == [each.after for each in changes[:-1]]
    assert all(each.at >= before.at for before, each in pairwise(changes))


@given(st.integers(1, 300), st.integers(3, 400))
def test_a_device_that_alternates_at_any_rate_is_one_fault(period: int, times: int) -> None:
    readings = [(float(i * period), T if i % 2 == 0 else N) for i in range(times)]
    changes = _run(readings, times * period)
    assert len([each for each in changes if each.before is N]) <= 1


@given(_READINGS, st.lists(st.integers(1, 500), max_size=30))
def test_looking_in_between_changes_nothing(
    steps: list[tuple[int, Condition]], looks: list[int]
) -> None:
    now, fault, expected, found = 0, Fault(), list[Change](), list[Change]()
    watched = Fault()
    for number, (step, condition) in enumerate(steps):
        if number < len(looks):
            between = at(now + min(looks[number], step))
            watched, more = advance(watched, between, _DAMPING)
            found += more
        now += step
        reading = Reading(at(now), condition, _ALL - {condition})
        fault, more = observe(fault, reading, _DAMPING)
        expected += more
        watched, more = observe(watched, reading, _DAMPING)
        found += more
    assert (watched, found) == (fault, expected)


@given(_READINGS)
def test_nothing_changes_before_it_is_due(steps: list[tuple[int, Condition]]) -> None:
    now, fault = 0, Fault()
    for step, condition in steps:
        now += step
        fault, _ = observe(fault, Reading(at(now), condition, _ALL - {condition}), _DAMPING)
        when = due(fault, _DAMPING)
        assert when is None or when >= at(now)
        if when is None:
            assert advance(fault, at(now + 1e8), _DAMPING)[1] == ()
        elif when > at(now):
            assert advance(fault, when, _DAMPING)[1] != ()
        assert len(fault.evidence) <= _DAMPING.enter_reports * len(FAULTS)
