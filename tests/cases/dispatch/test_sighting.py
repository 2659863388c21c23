"""What the camera knows when a case is verified, on both databases."""

from __future__ import annotations

import pytest

from cv_engine.cases import Action, Actor, Assignment, Queue, QueueError, Role, State
from cv_engine.cases.dispatch.sighting import Presence
from cv_engine.finding import CAMERA_BLIND
from tests.cases.made import at, finding

_THING = finding(kind="clutter")


@pytest.fixture
def handled(queue: Queue) -> Queue:
    """A queue whose case 1 was handled; the thing was last seen before."""
    queue.file(_THING)
    queue.confirm(1, "Li")
    queue.move(1, Action.DISPATCH, "Li", to=Assignment("sanitation"))
    queue.move(1, Action.HANDLE, "Li")
    return queue


def test_a_thing_that_left_is_gone_and_the_case_is_verified(handled: Queue) -> None:
    handled.gone(_THING.key, at(20_000))
    sighting = handled.sighting(1)
    assert (sighting.presence, sighting.at) == (Presence.GONE, at(20_000))
    assert handled.move(1, Action.VERIFY, "Li").state is State.VERIFIED


def test_a_thing_that_was_seen_afterwards_is_verified_by_a_supervisor_with_a_note_only(
    handled: Queue,
) -> None:
    handled.seen(_THING.key, at(20_000))
    sighting = handled.sighting(1)
    assert (sighting.presence, sighting.at) == (Presence.SEEN, at(20_000))
    with pytest.raises(QueueError, match="return it for rework; a supervisor may"):
        handled.move(1, Action.VERIFY, "Li", "looks fine")
    chief = Actor("Chen", Role.SUPERVISOR)
    with pytest.raises(QueueError, match="say in a note why"):
        handled.move(1, Action.VERIFY, chief)
    assert handled.move(1, Action.VERIFY, chief, "another bag").state is State.VERIFIED


def test_a_thing_that_was_not_seen_since_may_be_there_or_not(handled: Queue) -> None:
    sighting = handled.sighting(1)
    assert (sighting.presence, sighting.at) == (Presence.UNSEEN, at(300))
    assert sighting.blind_since is None
    assert handled.move(1, Action.VERIFY, "Li").state is State.VERIFIED


def test_a_blind_camera_knows_nothing_until_it_sees_again(handled: Queue) -> None:
    blind = finding(5_000, 6_000, kind=CAMERA_BLIND, zone="camera")
    handled.file(blind)
    other = finding(5_000, 6_000, kind=CAMERA_BLIND, zone="camera", source="elsewhere")
    handled.file(other)
    sighting = handled.sighting(1)
    assert (sighting.presence, sighting.blind_since) == (Presence.UNKNOWN, at(5_000))
    handled.gone(blind.key, at(30_000))
    assert handled.sighting(1).presence is Presence.UNSEEN


def test_a_case_that_was_not_handled_is_as_last_seen(queue: Queue) -> None:
    queue.file(_THING)
    sighting = queue.sighting(1)
    assert (sighting.presence, sighting.handled_at) == (Presence.SEEN, None)
