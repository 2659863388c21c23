"""Which states of a stream may follow which, and how long is waited between attempts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.stream.stream_state import Backoff, StreamState, StreamStateMachine

_ALLOWED = {
    (StreamState.CONNECTING, StreamState.LIVE),
    (StreamState.CONNECTING, StreamState.RECONNECTING),
    (StreamState.CONNECTING, StreamState.STOPPED),
    (StreamState.LIVE, StreamState.STALLED),
    (StreamState.LIVE, StreamState.RECONNECTING),
    (StreamState.LIVE, StreamState.STOPPED),
    (StreamState.STALLED, StreamState.LIVE),
    (StreamState.STALLED, StreamState.RECONNECTING),
    (StreamState.STALLED, StreamState.STOPPED),
    (StreamState.RECONNECTING, StreamState.CONNECTING),
    (StreamState.RECONNECTING, StreamState.STOPPED),
}
_CHANCES = st.floats(0, 1)


@given(st.lists(st.sampled_from(StreamState), max_size=30))
def test_only_what_is_allowed_follows(wanted: list[StreamState]) -> None:
    life = StreamStateMachine(StreamState.CONNECTING, since=0.0)
    been = [life.state]
    for now, to in enumerate(wanted, start=1):
        before = (life.state, life.since, life.why, life.reconnects)
        if (life.state, to) in _ALLOWED:
            life.turn(to, float(now), "because")
            been.append(to)
            assert (life.state, life.since) == (to, float(now))
        else:
            with pytest.raises(ValueError, match=f"cannot become {to}"):
                life.turn(to, float(now))
            assert (life.state, life.since, life.why, life.reconnects) == before
    assert set(pairwise(been)) <= _ALLOWED
    assert life.reconnects == been.count(StreamState.RECONNECTING)


def test_the_reason_stays_while_it_is_tried_again() -> None:
    life = StreamStateMachine(StreamState.CONNECTING, since=0.0)
    life.turn(StreamState.RECONNECTING, 1.0, "no answer in time")
    life.turn(StreamState.CONNECTING, 2.0)
    assert life.why == "no answer in time"
    life.turn(StreamState.LIVE, 3.0)
    assert life.why == ""


@given(
    longest_s=st.floats(1.5, 3600),
    failures=st.lists(st.tuples(st.floats(0, 29.9), _CHANCES), min_size=1, max_size=60),
)
def test_pauses_double_up_to_the_limit_give_or_take_half(
    longest_s: float, failures: list[tuple[float, float]]
) -> None:
    chance = iter([chance for _, chance in failures])
    backoff = Backoff(longest_s, chance=lambda: next(chance))
    for number, (live_s, drawn) in enumerate(failures):
        pause_s = backoff.failed(live_s)
        assert 0 < pause_s <= longest_s * (1 + 1e-9)
        middle_s = min(2.0**number, longest_s / 1.5)
        assert pause_s == pytest.approx(middle_s * (0.5 + drawn))


def test_after_years_the_pause_is_still_one() -> None:
    backoff = Backoff(60.0, chance=lambda: 0.5)
    pauses = [backoff.failed() for _ in range(2000)]
    assert pauses[-1] == 40.0


@given(before=st.integers(1, 50), live_s=st.floats(30, 1e6), drawn=_CHANCES)
def test_after_being_live_for_long_it_begins_with_the_first_pause(
    before: int, live_s: float, drawn: float
) -> None:
    backoff = Backoff(60.0, chance=lambda: drawn)
    first_s = backoff.failed()
    for _ in range(before):
        backoff.failed()
    assert backoff.failed(live_s) == first_s
    assert backoff.failed() == pytest.approx(2 * first_s)


def test_a_thousand_cameras_do_not_knock_at_once() -> None:
    pauses = sorted(Backoff(60.0).failed() for _ in range(1000))
    assert pauses[-1] - pauses[0] > 0.9
    assert max(later - earlier for earlier, later in pairwise(pauses)) < 0.05
