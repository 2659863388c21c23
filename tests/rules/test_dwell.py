"""The dwell state machine against what a stay means, not against itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.rules.dwell import Dwell, Event, Limits, Phase

# Sixteenths of a second are exact in floating point, so that sums of them can be compared with ==.
_TICK = 1 / 16


@dataclass
class Watched:
    """What became of one thing: the events with their times, and the state before each sample."""

    events: list[tuple[float, Event]] = field(default_factory=list)
    states: list[Dwell] = field(default_factory=list)

    def times(self, event: Event) -> list[float]:
        return [time_s for time_s, seen in self.events if seen is event]


def _watch(
    limits: Limits,
    observations: Sequence[tuple[float, bool]],
    since: Callable[[float], float | None] = lambda _: None,
) -> Watched:
    watched = Watched()
    state = Dwell()
    for time_s, present in observations:
        state, event = state.step(limits, time_s, present, since(time_s) if present else None)
        watched.states.append(state)
        if event is not None:
            watched.events.append((time_s, event))
    return watched


def _chains(observations: Sequence[tuple[float, bool]], gap_s: float) -> list[list[float]]:
    """Times of presence, parted where it was away for longer than the gap."""
    chains: list[list[float]] = []
    for time_s, present in observations:
        if present and chains and time_s - chains[-1][-1] <= gap_s:
            chains[-1].append(time_s)
        elif present:
            chains.append([time_s])
    return chains


@st.composite
def _observations(draw: st.DrawFn) -> list[tuple[float, bool]]:
    steps = draw(st.lists(st.integers(1, 160), min_size=1, max_size=60))
    stays = draw(st.lists(st.integers(1, 12), min_size=1, max_size=60))
    presence = [index % 2 == 0 for index, stay in enumerate(stays) for _ in range(stay)]
    time_s, observations = 0.0, []
    for step, present in zip(steps, presence, strict=False):
        time_s += step * _TICK
        observations.append((time_s, present))
    return observations


_limits = st.builds(
    Limits,
    dwell_s=st.integers(1, 480).map(lambda ticks: ticks * _TICK),
    gap_s=st.integers(0, 160).map(lambda ticks: ticks * _TICK),
)


@given(limits=_limits, observations=_observations())
def test_a_stay_is_due_once_and_ended_once_after_it(
    limits: Limits, observations: list[tuple[float, bool]]
) -> None:
    events = [event for _, event in _watch(limits, observations).events]
    assert events == [Event.DUE, Event.ENDED] * (len(events) // 2) + [Event.DUE] * (len(events) % 2)


@given(limits=_limits, observations=_observations())
def test_what_is_due_was_there_for_the_whole_dwell(
    limits: Limits, observations: list[tuple[float, bool]]
) -> None:
    watched = _watch(limits, observations)
    chains = _chains(observations, limits.gap_s)
    for (time_s, _), state in zip(observations, watched.states, strict=True):
        if state.phase is Phase.DUE and time_s in watched.times(Event.DUE):
            assert time_s - state.began >= limits.dwell_s
            assert any(state.began in chain and time_s in chain for chain in chains)


@given(limits=_limits, observations=_observations())
def test_what_was_there_for_the_whole_dwell_is_due(
    limits: Limits, observations: list[tuple[float, bool]]
) -> None:
    due = _watch(limits, observations).times(Event.DUE)
    for number, chain in enumerate(_chains(observations, limits.gap_s)):
        # The sample that ends the stay before (a second event is never reported at one sample) does
        # not begin the next: that one may begin a sample later.
        surely = chain if number == 0 else chain[1:]
        in_chain = [time_s for time_s in due if chain[0] <= time_s <= chain[-1]]
        if surely and surely[-1] - surely[0] >= limits.dwell_s:
            assert len(in_chain) == 1
            reached = [time_s for time_s in surely if time_s - surely[0] >= limits.dwell_s]
            assert in_chain[0] <= reached[0]
        if chain[-1] - chain[0] < limits.dwell_s:
            assert not in_chain


@given(limits=_limits, observations=_observations())
def test_an_end_is_told_only_after_the_gap(
    limits: Limits, observations: list[tuple[float, bool]]
) -> None:
    seen = -math.inf
    ended = _watch(limits, observations).times(Event.ENDED)
    for time_s, present in observations:
        if time_s in ended:
            assert time_s - seen > limits.gap_s
        if present:
            seen = time_s


@given(limits=_limits, observations=_observations())
def test_times_only_go_forward(limits: Limits, observations: list[tuple[float, bool]]) -> None:
    states = _watch(limits, observations).states
    for (time_s, present), state in zip(observations, states, strict=True):
        if state.phase is not Phase.OUT:
            assert state.began <= state.seen <= time_s
            assert state.seen == time_s or not present
    for before, after in pairwise(states):
        if Phase.OUT not in (before.phase, after.phase):
            assert before.began <= after.began
            assert before.seen <= after.seen


@given(
    start=st.integers(0, 1000),
    length=st.integers(200, 4000),
    dwell=st.integers(1, 3000),
    coarse=st.integers(2, 100),
    finer=st.integers(2, 12),
)
def test_sampling_more_often_finds_the_same_stay(
    start: int, length: int, dwell: int, coarse: int, finer: int
) -> None:
    """One stay without interruption, in ticks, looked at every ``coarse`` and more often."""
    interval_s = coarse * _TICK
    limits = Limits(dwell * _TICK, gap_s=2 * interval_s)
    end_s = (start + length) * _TICK
    due = []
    for times in (1, finer):
        step_s = interval_s / times
        samples = [number * step_s for number in range(int(end_s / step_s) + 1)]
        observations = [(sample, start * _TICK <= sample) for sample in samples]
        due.append(_watch(limits, observations).times(Event.DUE))
    if length >= dwell + 2 * coarse:
        assert due[0] and due[1]
    if due[0]:
        assert 0 <= due[0][0] - due[1][0] < 2 * interval_s + 1e-9
    # Where the pixels tell since when it has stood there, not even the sample's own interval
    # matters.
    began = set()
    for times in (1, finer):
        step_s = interval_s / times
        samples = [number * step_s for number in range(int(end_s / step_s) + 1)]
        observations = [(sample, start * _TICK <= sample) for sample in samples]
        watched = _watch(limits, observations, lambda _: start * _TICK)
        began |= {state.began for state in watched.states if state.phase is not Phase.OUT}
        for due_s in watched.times(Event.DUE):
            assert 0 <= due_s - (start + dwell) * _TICK <= step_s
    assert began == {start * _TICK}


@given(
    absences=st.lists(st.tuples(st.integers(20, 200), st.integers(1, 60)), max_size=8),
    coarse=st.integers(1, 10),
    finer=st.integers(2, 5),
)
def test_short_absences_interrupt_at_no_rate(
    absences: list[tuple[int, int]], coarse: int, finer: int
) -> None:
    """Seen for a while, hidden for at most 60 ticks, again and again: one stay of known length."""
    gap_s = (60 + 2 * coarse) * _TICK  # up to a sample is lost at either end of an absence
    edges, time = [], 0
    for seen, hidden in [*absences, (40, 0)]:
        edges.append((time * _TICK, (time + seen) * _TICK))
        time += seen + hidden
    length_s = edges[-1][1]
    limits = Limits(max(_TICK, length_s - 2 * coarse * _TICK), gap_s)
    for step_s in (coarse * _TICK, coarse * _TICK / finer):
        samples = [number * step_s for number in range(int(length_s / step_s) + 1)]
        observations = [(t, any(first <= t <= last for first, last in edges)) for t in samples]
        watched = _watch(limits, observations)
        assert len(watched.times(Event.DUE)) == 1
        assert watched.states[-1].began == 0.0
        assert not watched.times(Event.ENDED)


LIMITS = Limits(dwell_s=10, gap_s=4)


@pytest.mark.parametrize(
    ("observations", "events"),
    [
        pytest.param([(0, True), (10, True)], [], id="away-too-long-between-two-looks"),
        pytest.param(
            [(0, True), (4, True), (8, True), (10, True)], [(10, Event.DUE)], id="exactly-the-dwell"
        ),
        pytest.param([(0, True), (4, True), (8, True), (9.99, True)], [], id="just-under"),
        pytest.param(
            [(0, True), (2, False), (4, True), (6, False), (8, True), (11, True)],
            [(11, Event.DUE)],
            id="hidden-for-as-long-as-the-gap",
        ),
        pytest.param(
            [(0, True), (2, False), (4.01, False), (5, True), (11, False), (12, True)],
            [],
            id="hidden-for-longer",
        ),
        pytest.param(
            [(0, True), (4, True), (8, True), (11, True), (15, False), (15.5, False), (20, False)],
            [(11, Event.DUE), (15.5, Event.ENDED)],
            id="ends-once-the-gap-is-over",
        ),
        pytest.param(
            [(0, True), (4, True), (8, True), (11, True), (20, True), (24, True)],
            [(11, Event.DUE), (20, Event.ENDED)],
            id="back-after-too-long-is-another-stay",
        ),
        pytest.param([(0, False), (50, False)], [], id="never-there"),
        pytest.param([(0, True), (5, False), (6, False)], [], id="left-before-it-was-due"),
    ],
)
def test_stays(observations: list[tuple[float, bool]], events: list[tuple[float, Event]]) -> None:
    assert _watch(LIMITS, observations).events == events


@pytest.mark.parametrize(
    ("state", "time_s", "since", "expected"),
    [
        pytest.param(Dwell(), 5, 2, (Dwell(Phase.IN, 2, 5), None), id="backdated"),
        pytest.param(Dwell(), 50, 2, (Dwell(Phase.DUE, 2, 50), Event.DUE), id="due-at-first-sight"),
        pytest.param(Dwell(), 5, 9, (Dwell(Phase.IN, 5, 5), None), id="never-in-the-future"),
        pytest.param(
            Dwell(Phase.IN, 0, 8), 10, 9, (Dwell(Phase.IN, 9, 10), None), id="moved-begins-again"
        ),
        pytest.param(
            Dwell(Phase.IN, 0, 8), 10, 8, (Dwell(Phase.DUE, 0, 10), Event.DUE), id="not-moved"
        ),
        pytest.param(
            Dwell(Phase.IN, 3, 8), 10, 0, (Dwell(Phase.IN, 3, 10), None), id="a-stay-has-one-start"
        ),
        pytest.param(
            Dwell(Phase.IN, 0, 1), 10, 2, (Dwell(Phase.IN, 2, 10), None), id="unseen-for-too-long"
        ),
        pytest.param(
            Dwell(Phase.DUE, 0, 12), 14, 13, (Dwell(Phase.DUE, 0, 14), None), id="due-stays-due"
        ),
    ],
)
def test_since_when_it_stands(
    state: Dwell, time_s: float, since: float, expected: tuple[Dwell, Event | None]
) -> None:
    assert state.step(LIMITS, time_s, True, since) == expected


@pytest.mark.parametrize(
    ("dwell_s", "gap_s", "message"),
    [
        (0, 1, "dwell_s is 0: it must be more than 0 seconds"),
        (-1, 1, "dwell_s is -1"),
        (math.nan, 1, "dwell_s is nan"),
        (1, -0.5, "gap_s is -0.5: it must be 0 seconds or more"),
        (1, math.nan, "gap_s is nan"),
    ],
)
def test_limits_that_make_no_sense(dwell_s: float, gap_s: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits(dwell_s, gap_s)
