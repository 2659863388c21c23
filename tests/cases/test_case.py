from __future__ import annotations

from itertools import pairwise

import pytest

from cv_engine.cases import QueueError, State, state_named
from cv_engine.cases.case import OPEN_STATES, TRANSITIONS, check_transition

_PATHS = [
    "reported rejected",
    "reported confirmed noticed left",
    "reported confirmed noticed cited withdrawn",
    "reported confirmed dispatched handled verified closed",
    "reported confirmed dispatched handled dispatched handled verified closed",
    "reported withdrawn",
    "confirmed dispatched withdrawn",
]


@pytest.mark.parametrize("path", _PATHS)
def test_the_processes_of_the_design_are_allowed(path: str) -> None:
    states = [State(name) for name in path.split()]
    for now, to in pairwise(states):
        check_transition(1, now, to)


@pytest.mark.parametrize("now", State)
@pytest.mark.parametrize("to", State)
def test_other_transitions_are_refused_with_the_allowed_ones(now: State, to: State) -> None:
    if to in TRANSITIONS[now]:
        check_transition(12, now, to)
        return
    with pytest.raises(QueueError, match=rf"case 12 is (already )?{now}: it cannot become {to}"):
        check_transition(12, now, to)


def test_a_case_is_open_while_somebody_has_to_act() -> None:
    ends = {state for state, following in TRANSITIONS.items() if not following}
    assert set(State) - ends - {State.CITED} == OPEN_STATES
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize(
    ("text", "state"), [("confirmed", State.CONFIRMED), (" Left ", State.LEFT), ("gone", None)]
)
def test_states_are_read_as_typed(text: str, state: State | None) -> None:
    if state is None:
        with pytest.raises(QueueError, match="known: reported, confirmed"):
            state_named(text)
    else:
        assert state_named(text) is state
