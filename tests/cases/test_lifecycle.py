from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest
import sqlalchemy as sa

from cv_engine.cases import Action, Actor, ForbiddenError, QueueError, Role, State, state_named
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import case_transitions
from cv_engine.cases.lifecycle import OPEN_STATES, STEPS, actions_in, step_of

_PAIRS = {(step.before, step.after) for step in STEPS}
_PATHS = [
    "reported rejected",
    "reported confirmed noticed closed",
    "reported confirmed noticed cited withdrawn",
    "reported confirmed dispatched handled verified closed",
    "reported confirmed dispatched handled dispatched handled verified closed",
    "reported confirmed dispatched deferred confirmed dispatched handled verified closed",
    "reported rejected reported confirmed",
    "reported confirmed cited appealed withdrawn",
    "closed confirmed dispatched",
    "reported withdrawn",
    "confirmed dispatched withdrawn",
    "reported merged",
]


@pytest.mark.parametrize("path", _PATHS)
def test_the_processes_of_the_design_are_possible(path: str) -> None:
    assert set(pairwise(State(name) for name in path.split())) <= _PAIRS


@pytest.mark.parametrize(("action", "now"), list(product(Action, State)))
def test_a_step_that_the_process_lacks_is_refused_with_those_it_has(
    action: Action, now: State
) -> None:
    if action in actions_in(now):
        step = step_of(12, action, now)
        assert (step.action, step.before) == (action, now)
        return
    with pytest.raises(QueueError, match=rf"case 12 is {now}: it cannot take the step {action}"):
        step_of(12, action, now)


def test_an_action_leads_from_a_state_to_one_other() -> None:
    assert len({(step.action, step.before) for step in STEPS}) == len(STEPS)
    assert all(step.before is not step.after for step in STEPS)


def test_every_state_is_reached_and_every_open_case_can_end() -> None:
    reached = {State.REPORTED}
    while more := {after for before, after in _PAIRS if before in reached} - reached:
        reached |= more
    assert reached == set(State)
    ends = set(State) - OPEN_STATES
    for state in OPEN_STATES:
        assert any(before is state and after in ends for before, after in _PAIRS)


def test_the_database_knows_the_same_process(tmp_path: Path) -> None:
    store = Store(tmp_path / "queue.sqlite")
    with store.reading() as connection:
        rows = connection.execute(sa.select(case_transitions)).all()
    store.close()
    assert {(State(row.from_state), State(row.to_state)) for row in rows} == _PAIRS


@pytest.mark.parametrize(("has", "needed"), list(product(Role, Role)))
def test_a_role_may_do_what_the_lesser_ones_may(has: Role, needed: Role) -> None:
    order = ["viewer", "officer", "supervisor", "administrator", "engine"]
    actor = Actor("Li", has)
    if order.index(has) >= order.index(needed):
        actor.need(needed, "withdraw case 3")
    else:
        with pytest.raises(ForbiddenError, match=rf"Li may not withdraw case 3: .* role {needed}"):
            actor.need(needed, "withdraw case 3")


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_an_actor_has_a_name(name: str) -> None:
    with pytest.raises(QueueError, match="name"):
        Actor(name)


@pytest.mark.parametrize(
    ("text", "state"), [("confirmed", State.CONFIRMED), (" Closed ", State.CLOSED), ("gone", None)]
)
def test_states_are_read_as_typed(text: str, state: State | None) -> None:
    if state is None:
        with pytest.raises(QueueError, match="known: reported, confirmed"):
            state_named(text)
    else:
        assert state_named(text) is state
