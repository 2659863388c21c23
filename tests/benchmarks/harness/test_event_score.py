from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.event_score import Event, Found, Score, judge, match

EVENT = Event("a.mp4", "abandoned_bag", 10.0, 30.0, np.array([10, 10, 50, 50], np.float32), 1.0)
CASE = Found("clutter", 10.0, 30.0, EVENT.box, False)
CAR = replace(EVENT, kind="vehicle_parked")
PARKED = replace(CASE, kind="motor_vehicle_parked")


def _moved(by: float) -> Found:
    return replace(CASE, box=CASE.box + np.float32(by))


def _judged(events: list[Event], cases: list[Found], exhaustive: str = "abandoned") -> Score:
    score = Score()
    judge(score, events, cases, exhaustive.split(";") if exhaustive else [], "a.mp4")
    return score


@pytest.mark.parametrize(
    ("event", "case", "loose", "strict"),
    [
        pytest.param(EVENT, CASE, 1, 1, id="exact"),
        pytest.param(EVENT, replace(CASE, start_s=13.0), 1, 1, id="within-the-tolerance"),
        pytest.param(EVENT, replace(CASE, start_s=13.1), 1, 0, id="begins-too-late"),
        pytest.param(EVENT, replace(CASE, start_s=6.9), 1, 0, id="begins-too-early"),
        pytest.param(EVENT, _moved(5), 1, 1, id="box-about-right"),
        pytest.param(EVENT, _moved(15), 1, 0, id="box-touches"),
        pytest.param(EVENT, _moved(35), 0, 0, id="box-elsewhere"),
        pytest.param(EVENT, replace(CASE, start_s=31.0, end_s=40.0), 0, 0, id="after-it"),
        pytest.param(EVENT, replace(CASE, start_s=1.0, end_s=9.0), 0, 0, id="before-it"),
        pytest.param(EVENT, PARKED, 0, 0, id="another-kind"),
        pytest.param(CAR, PARKED, 1, 1, id="vehicle"),
        pytest.param(CAR, replace(PARKED, kind="non_motor_vehicle_parked"), 1, 1, id="bicycle"),
    ],
)
def test_found_loosely_and_strictly(event: Event, case: Found, loose: int, strict: int) -> None:
    score = _judged([event], [case])
    assert (score.events, score.found, score.found_strictly) == (1, loose, strict)


@pytest.mark.parametrize(
    ("cases", "exhaustive", "false"),
    [
        pytest.param([CASE], "abandoned;vehicle", 0, id="matches-the-event"),
        pytest.param([CASE, _moved(200)], "abandoned;vehicle", 1, id="made-up"),
        pytest.param([CASE, _moved(200)], "vehicle", 0, id="truth-does-not-list-its-kind"),
        pytest.param([CASE, PARKED], "abandoned", 0, id="truth-does-not-list-vehicles"),
        pytest.param([CASE, PARKED], "vehicle", 1, id="vehicle-made-up"),
        pytest.param([CASE, _moved(200)], "", 0, id="truth-lists-nothing"),
        pytest.param([CASE, _moved(1)], "abandoned", 1, id="one-event-found-twice"),
        pytest.param(
            [CASE, replace(_moved(200), from_first_sample=True)], "abandoned", 0, id="always-there"
        ),
    ],
)
def test_false_cases(cases: list[Found], exhaustive: str, false: int) -> None:
    assert _judged([EVENT], cases, exhaustive).false == false


def test_the_strict_match_is_preferred() -> None:
    """The box that overlaps more began too late: the other case matches the event."""
    score = _judged([EVENT], [replace(CASE, start_s=20.0), _moved(3)])
    assert (score.found, score.found_strictly, score.false) == (1, 1, 1)


def test_the_figures() -> None:
    score = _judged([EVENT, CAR], [CASE, _moved(200)])
    assert (score.recall, score.precision, score.f1) == (0.5, 0.5, 0.5)
    assert (score.recall_strict, score.precision_strict, score.false) == (0.5, 0.5, 1)
    assert Score().recall == 0.0


@pytest.mark.parametrize(
    ("later", "strict"),
    [
        pytest.param(CASE, 1, id="first-place"),
        pytest.param(_moved(100), 1, id="second-place"),
        pytest.param(_moved(50), 0, id="between"),
    ],
)
def test_a_thing_that_was_pushed_is_found_where_it_was_or_is(later: Found, strict: int) -> None:
    event = replace(EVENT, later=(EVENT.box + np.float32(100))[None])
    assert _judged([event], [later]).found_strictly == strict


def test_an_optional_stay_is_neither_missed_nor_false() -> None:
    again = replace(EVENT, start_s=20.0, optional=True)
    missed = _judged([again], [])
    assert (missed.events, missed.recall) == (0, 0.0)
    found = _judged([again], [replace(CASE, start_s=20.0)])
    assert (found.events, found.false, found.precision) == (0, 0, 1.0)


def test_what_must_be_found_gets_the_case_first() -> None:
    again = replace(EVENT, start_s=20.0, optional=True)
    assert match([again, EVENT], [replace(CASE, start_s=15.0)]) == {1: 0}


@pytest.mark.parametrize(
    ("other", "cases"),
    [
        pytest.param(_moved(1), 2, id="twice-the-whole"),
        pytest.param(replace(CASE, box=np.array([12, 12, 20, 20], np.float32)), 2, id="a-part"),
        pytest.param(replace(PARKED, box=CASE.box), 2, id="under-another-kind"),
        pytest.param(_moved(200), 1, id="elsewhere"),
        pytest.param(replace(CASE, start_s=40.0, end_s=50.0), 1, id="later"),
    ],
)
def test_cases_per_thing(other: Found, cases: int) -> None:
    assert _judged([EVENT], [CASE, other]).cases_per_thing == cases


BOXES = st.tuples(
    st.integers(0, 80), st.integers(0, 80), st.integers(5, 60), st.integers(5, 60)
).map(lambda box: np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]], np.float32))
TIMES = st.tuples(st.integers(0, 40), st.integers(1, 20))


@st.composite
def _events(draw: st.DrawFn) -> Event:
    start, lasts = draw(TIMES)
    kind = draw(st.sampled_from(["abandoned_bag", "vehicle_car"]))
    optional = draw(st.booleans())
    return Event("a", kind, start, start + lasts, draw(BOXES), 0.5, None, optional)


@st.composite
def _cases(draw: st.DrawFn) -> Found:
    start, lasts = draw(TIMES)
    kind = draw(st.sampled_from(["clutter", "motor_vehicle_parked"]))
    return Found(kind, start, start + lasts, draw(BOXES), draw(st.booleans()))


@given(st.lists(_events(), max_size=5), st.lists(_cases(), max_size=6))
def test_each_case_matches_one_stay_and_counts_are_whole(
    events: list[Event], cases: list[Found]
) -> None:
    pairs = match(events, cases)
    assert len(set(pairs.values())) == len(pairs)
    score = _judged(events, cases, "abandoned;vehicle")
    assert score.found_strictly <= score.found <= score.events <= len(events)
    assert score.found <= score.matched == len(pairs)
    assert score.matched + score.false <= len(cases)
    assert score.false >= sum(not case.from_first_sample for case in cases) - len(pairs)
    assert len(score.confidences) == score.matched + score.false


@given(st.lists(_events(), min_size=1, max_size=5))
def test_the_truth_itself_is_found_strictly(events: list[Event]) -> None:
    kinds = {"abandoned_bag": "clutter", "vehicle_car": "motor_vehicle_parked"}
    cases = [Found(kinds[e.kind], e.start_s, e.end_s, e.box, False) for e in events]
    score = _judged(events, cases, "abandoned;vehicle")
    assert (score.recall_strict, score.false) == (float(score.events > 0), 0)
