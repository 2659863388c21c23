"""The times in which a camera was not watched, and what may have come then."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.worker.unwatched import UnwatchedTimes

_LOST_S, _LONGEST_S = 30.0, 600.0


def _unwatched(*times: tuple[float, float]) -> UnwatchedTimes:
    return UnwatchedTimes(_LOST_S, _LONGEST_S, times)


def test_a_thing_may_have_come_at_any_moment_of_a_gap() -> None:
    unwatched = _unwatched((100.0, 200.0))
    assert unwatched.missed(100.0) == timedelta(0), "seen before the gap"
    assert unwatched.missed(200.0) == timedelta(seconds=100)
    assert unwatched.missed(230.0) == timedelta(seconds=130), "hidden once it was watched again"
    assert unwatched.missed(231.0) == timedelta(0)


def test_gaps_with_only_a_moment_between_them_are_one() -> None:
    unwatched = _unwatched((100.0, 200.0))
    unwatched.add(220.0, 300.0, [])
    assert unwatched.times == [(100.0, 300.0)]
    unwatched.add(310.0, 1000.0, [])
    assert unwatched.times == [(400.0, 1000.0)], "no more than the longest is remembered"


def test_gaps_after_which_no_present_stay_began_are_dropped() -> None:
    unwatched = _unwatched((100.0, 200.0), (300.0, 400.0))
    unwatched.add(500.0, 600.0, [430.0, 480.0])
    assert unwatched.times == [(300.0, 400.0), (500.0, 600.0)]
    unwatched.add(700.0, 800.0, [])
    assert unwatched.times == [(700.0, 800.0)]


@given(
    st.lists(st.tuples(st.floats(0.1, 400.0), st.floats(0.1, 400.0)), max_size=8),
    st.floats(0.0, 100.0),
)
def test_no_more_is_missed_than_the_longest_gap_and_what_may_be_hidden(
    steps: list[tuple[float, float]], after_s: float
) -> None:
    unwatched, now_s = _unwatched(), 0.0
    for watched_s, away_s in steps:
        unwatched.add(now_s + watched_s, now_s + watched_s + away_s, [])
        now_s += watched_s + away_s
    missed_s = unwatched.missed(now_s + after_s).total_seconds()
    assert 0.0 <= missed_s <= _LONGEST_S + _LOST_S
