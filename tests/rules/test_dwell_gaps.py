"""Stays over gaps: no absence, and part of the stay once the thing is seen again."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.rules.dwell import Dwell, Event, Limits, Phase

# Sixteenths of a second are exact in floating point, so that sums of them can be compared with ==.
_TICK = 1 / 16
_DAY_S = 86400.0


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        watched_s: Time of the sample, the gaps cut out.
        present: Whether the thing was seen.
        gap_s: Length of the gap before the sample.
    """

    watched_s: float
    present: bool
    gap_s: float = 0.0


@dataclass
class Watched:
    """By number of the sample: the time, the event that it brought, the state after it."""

    times: list[float] = field(default_factory=list)
    events: list[Event | None] = field(default_factory=list)
    states: list[Dwell] = field(default_factory=list)

    def samples(self, event: Event) -> list[int]:
        return [number for number, seen in enumerate(self.events) if seen is event]


def _watch(limits: Limits, samples: list[Sample]) -> Watched:
    watched, state = Watched(), Dwell()
    watched.times = [
        sample.watched_s + away_s
        for sample, away_s in zip(
            samples, accumulate(sample.gap_s for sample in samples), strict=True
        )
    ]
    for sample, time_s in zip(samples, watched.times, strict=True):
        if sample.gap_s:
            state = state.skip(sample.gap_s)
        state, event = state.step(limits, time_s, sample.present)
        watched.states.append(state)
        watched.events.append(event)
    return watched


@st.composite
def _samples(draw: st.DrawFn) -> list[Sample]:
    steps = draw(st.lists(st.integers(1, 160), min_size=1, max_size=60))
    stays = draw(st.lists(st.integers(1, 12), min_size=1, max_size=60))
    presence = [index % 2 == 0 for index, stay in enumerate(stays) for _ in range(stay)]
    watched = accumulate(step * _TICK for step in steps)
    # Some gaps of seconds, some of a day: the machine must not care.
    gap = st.sampled_from([0.0, 0.0, 0.0, 7 * _TICK, 40.0, 900.0, _DAY_S])
    return [
        Sample(time_s, present, draw(gap))
        for time_s, present in zip(watched, presence, strict=False)
    ]


_limits = st.builds(
    Limits,
    dwell_s=st.integers(1, 480).map(lambda ticks: ticks * _TICK),
    gap_s=st.integers(0, 160).map(lambda ticks: ticks * _TICK),
)


def _chains(samples: list[Sample], gap_s: float) -> list[list[int]]:
    """Numbers of the samples in which the thing was seen, split at absences beyond the gap."""
    chains: list[list[int]] = []
    for number, sample in enumerate(samples):
        if sample.present and chains:
            away_s = sample.watched_s - samples[chains[-1][-1]].watched_s
            if away_s <= gap_s:
                chains[-1].append(number)
                continue
        if sample.present:
            chains.append([number])
    return chains


@given(limits=_limits, samples=_samples())
def test_a_gap_parts_and_joins_nothing(limits: Limits, samples: list[Sample]) -> None:
    """What is due was seen at that sample, in a chain that the gaps do not part, long enough."""
    watched = _watch(limits, samples)
    chains = _chains(samples, limits.gap_s)
    for number in watched.samples(Event.DUE):
        began, time_s = watched.states[number].began, watched.times[number]
        (chain,) = [chain for chain in chains if number in chain]
        assert samples[number].present
        assert watched.times.index(began) in chain
        assert time_s - began >= limits.dwell_s
    for index, chain in enumerate(chains):
        # The sample that ends a stay does not start the next one: a later sample may.
        surely = chain if index == 0 else chain[1:]
        due = [number for number in watched.samples(Event.DUE) if number in chain]
        stayed_s = watched.times[surely[-1]] - watched.times[surely[0]] if surely else 0.0
        assert len(due) <= 1
        assert due or stayed_s < limits.dwell_s


@given(limits=_limits, samples=_samples())
def test_it_ends_after_the_usual_time_of_watching(limits: Limits, samples: list[Sample]) -> None:
    watched = _watch(limits, samples)
    ended = watched.samples(Event.ENDED)
    seen_s, due = 0.0, False
    for number, sample in enumerate(samples):
        absent_s = sample.watched_s - seen_s
        assert (number in ended) == (due and absent_s > limits.gap_s)
        due = watched.states[number].phase is Phase.DUE
        if sample.present:
            seen_s = sample.watched_s
        if watched.states[number].phase is not Phase.OUT and not sample.present:
            assert watched.times.index(watched.states[number].seen) < number, "seen at a sample"


@given(limits=_limits, samples=_samples())
def test_gaps_cut_out_the_same_events(limits: Limits, samples: list[Sample]) -> None:
    """Wherever the gap is not a part of a stay that has yet to reach its limit."""
    cut = _watch(limits, [Sample(sample.watched_s, sample.present) for sample in samples])
    before = [Dwell(), *cut.states]
    some = [
        Sample(sample.watched_s, sample.present, 0.0 if state.phase is Phase.IN else sample.gap_s)
        for sample, state in zip(samples, before, strict=False)
    ]
    watched = _watch(limits, some)
    assert watched.events == cut.events
    assert [state.phase for state in watched.states] == [state.phase for state in cut.states]


@given(
    limits=_limits,
    samples=_samples(),
    shares=st.lists(st.floats(0.0, 1.0).map(lambda share: round(16 * share) / 16), max_size=4),
)
def test_a_gap_told_in_pieces_is_one_gap(
    limits: Limits, samples: list[Sample], shares: list[float]
) -> None:
    """The program is started, and is stopped again before it has seen anything."""
    state = Dwell().step(limits, 0.0, True)[0]
    whole_s = sum(sample.gap_s for sample in samples)
    pieces = [share * whole_s for share in shares]
    for piece_s in pieces:
        state = state.skip(piece_s)
    once = Dwell().step(limits, 0.0, True)[0].skip(sum(pieces))
    assert state == once


LIMITS = Limits(dwell_s=10, gap_s=4)


@pytest.mark.parametrize(
    ("state", "time_s", "present", "since", "expected"),
    [
        pytest.param(
            Dwell(Phase.IN, 0, 2, 900), 904, False, None,
            (Dwell(Phase.IN, 0, 2, 900), None), id="not-due-before-it-is-seen",
        ),
        pytest.param(
            Dwell(Phase.IN, 0, 2, 900), 904, True, None,
            (Dwell(Phase.DUE, 0, 904), Event.DUE), id="due-once-it-is-seen",
        ),
        pytest.param(
            Dwell(Phase.IN, 0, 2, 900), 904, True, 904,
            (Dwell(Phase.IN, 904, 904), None), id="came-meanwhile",
        ),
        pytest.param(
            Dwell(Phase.IN, 0, 2, 900), 904, True, 500,
            (Dwell(Phase.DUE, 500, 904), Event.DUE), id="the-hours-began-meanwhile",
        ),
        pytest.param(
            Dwell(Phase.DUE, 0, 12, 900), 914, True, 2,
            (Dwell(Phase.DUE, 0, 914), None), id="due-goes-on",
        ),
        pytest.param(
            Dwell(Phase.DUE, 0, 12, 900), 914, True, 500,
            (Dwell(), Event.ENDED), id="due-and-moved-meanwhile",
        ),
        pytest.param(
            Dwell(Phase.DUE, 0, 12, 900), 916, False, None,
            (Dwell(Phase.DUE, 0, 12, 900), None), id="perhaps-hidden",
        ),
        pytest.param(
            Dwell(Phase.DUE, 0, 12, 900), 916.5, False, None,
            (Dwell(), Event.ENDED), id="left-meanwhile",
        ),
    ],
)  # fmt: skip
def test_after_a_gap_of_fifteen_minutes(
    state: Dwell,
    time_s: float,
    present: bool,
    since: float | None,
    expected: tuple[Dwell, Event | None],
) -> None:
    assert state.step(LIMITS, time_s, present, since) == expected
