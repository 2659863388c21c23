"""The transitions between the states of a stream, and the pauses between attempts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.stream.stream_state import Backoff, StreamState, StreamStateMachine

_ALLOWED = {
    (StreamState.CONNECTING, StreamState.LIVE),
    (StreamState.CONNECTING, StreamState.BLIND),
    (StreamState.CONNECTING, StreamState.RECONNECTING),
    (StreamState.CONNECTING, StreamState.STOPPED),
    (StreamState.LIVE, StreamState.BLIND),
    (StreamState.LIVE, StreamState.STALLED),
    (StreamState.LIVE, StreamState.RECONNECTING),
    (StreamState.LIVE, StreamState.STOPPED),
    (StreamState.BLIND, StreamState.LIVE),
    (StreamState.BLIND, StreamState.RECONNECTING),
    (StreamState.BLIND, StreamState.STOPPED),
    (StreamState.STALLED, StreamState.LIVE),
    (StreamState.STALLED, StreamState.BLIND),
    (StreamState.STALLED, StreamState.RECONNECTING),
    (StreamState.STALLED, StreamState.STOPPED),
    (StreamState.RECONNECTING, StreamState.CONNECTING),
    (StreamState.RECONNECTING, StreamState.STOPPED),
}
_CHANCES = st.floats(0, 1)


@given(st.lists(st.sampled_from(StreamState), max_size=30))
def test_only_allowed_transitions_happen(wanted: list[StreamState]) -> None:
    machine = StreamStateMachine(StreamState.CONNECTING, since=0.0)
    been = [machine.state]
    for now, to in enumerate(wanted, start=1):
        before = (machine.state, machine.since, machine.why, machine.reconnects)
        if (machine.state, to) in _ALLOWED:
            machine.transition(to, float(now), "because")
            been.append(to)
            assert (machine.state, machine.since) == (to, float(now))
        else:
            with pytest.raises(ValueError, match=f"cannot become {to}"):
                machine.transition(to, float(now))
            assert (machine.state, machine.since, machine.why, machine.reconnects) == before
    assert set(pairwise(been)) <= _ALLOWED
    assert machine.reconnects == been.count(StreamState.RECONNECTING)


def test_the_reason_stays_between_attempts() -> None:
    machine = StreamStateMachine(StreamState.CONNECTING, since=0.0)
    machine.transition(StreamState.RECONNECTING, 1.0, "no answer in time")
    machine.transition(StreamState.CONNECTING, 2.0)
    assert machine.why == "no answer in time"
    machine.transition(StreamState.LIVE, 3.0)
    assert machine.why == ""


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


def test_after_thousands_of_failures_the_pause_is_the_limit() -> None:
    backoff = Backoff(60.0, chance=lambda: 0.5)
    pauses = [backoff.failed() for _ in range(2000)]
    assert pauses[-1] == 40.0


@given(before=st.integers(1, 50), live_s=st.floats(30, 1e6), drawn=_CHANCES)
def test_after_a_long_live_time_the_pauses_start_over(
    before: int, live_s: float, drawn: float
) -> None:
    backoff = Backoff(60.0, chance=lambda: drawn)
    first_s = backoff.failed()
    for _ in range(before):
        backoff.failed()
    assert backoff.failed(live_s) == first_s
    assert backoff.failed() == pytest.approx(2 * first_s)


def test_pauses_of_a_thousand_cameras_are_spread() -> None:
    pauses = sorted(Backoff(60.0).failed() for _ in range(1000))
    assert pauses[-1] - pauses[0] > 0.9
    assert max(later - earlier for earlier, later in pairwise(pauses)) < 0.05
