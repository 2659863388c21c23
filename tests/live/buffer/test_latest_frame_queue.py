"""Looks that wait: one of each camera, in order, merged where one is decoded on from another."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.arrival import Arrival
from cv_engine.live.buffer.latest_frame_queue import Desk
from cv_engine.live.buffer.sampler import Due
from tests.live.arriving import numbered


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Arrival]:
    return numbered(tmp_path_factory.mktemp("made"), 12, gop=100)


def _due(made: list[Arrival], first: int, last: int) -> Due:
    """A look at the picture before ``last``, decoded from ``first`` on."""
    return Due(float(last), tuple(made[first:last]), made[first].key)


def test_a_later_look_takes_the_place_of_one_that_waits(made: list[Arrival]) -> None:
    desk: Desk[str] = Desk()
    assert desk.offer("a", _due(made, 0, 1)) == (0, False)
    assert desk.offer("b", _due(made, 0, 1)) == (0, False)
    assert desk.offer("a", _due(made, 0, 3)) == (1, False)
    assert len(desk) == 2
    assert desk.take(0) == ("a", _due(made, 0, 3)), "it keeps its place in the row"
    assert desk.take(0) == ("b", _due(made, 0, 1))
    assert desk.take(0) is None


def test_what_is_decoded_on_from_one_that_waits_is_joined_to_it(made: list[Arrival]) -> None:
    desk: Desk[str] = Desk()
    desk.offer("a", _due(made, 0, 4))
    assert desk.offer("a", _due(made, 4, 7)) == (1, False)
    assert desk.offer("a", _due(made, 7, 9)) == (1, False)
    taken = desk.take(0)
    assert taken == ("a", _due(made, 0, 9))
    # Once that is taken, the next is decoded on from it.
    desk.offer("a", _due(made, 9, 12))
    assert desk.take(0) == ("a", _due(made, 9, 12))


def test_too_much_is_given_up(made: list[Arrival], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cv_engine.live.buffer.latest_frame_queue._MOST_BYTES", _due(made, 0, 8).bytes
    )
    desk: Desk[str] = Desk()
    desk.offer("a", _due(made, 0, 4))
    assert desk.offer("a", _due(made, 4, 8)) == (1, False)
    assert desk.offer("a", _due(made, 8, 9)) == (2, True)
    assert len(desk) == 0
    assert desk.offer("a", _due(made, 0, 1)) == (0, False)


def test_cameras_that_are_not_ready_are_passed_over(made: list[Arrival]) -> None:
    desk: Desk[str] = Desk()
    for name in "abc":
        desk.offer(name, _due(made, 0, 1))
    taken = desk.take(0, but={"a", "b"})
    assert taken is not None
    assert taken[0] == "c"
    assert desk.take(0, but={"a", "b"}) is None
    desk.clear("a")
    desk.clear("z")
    taken = desk.take(0)
    assert taken is not None
    assert taken[0] == "b"


def test_one_who_waits_is_told(made: list[Arrival]) -> None:
    desk: Desk[str] = Desk()
    taken: list[object] = []
    thread = Thread(target=lambda: taken.append(desk.take(30.0)))
    thread.start()
    desk.offer("a", _due(made, 0, 1))
    thread.join(10.0)
    assert taken == [("a", _due(made, 0, 1))]


@given(st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=60))
def test_no_camera_waits_for_another_that_is_busier(
    made: list[Arrival], asked: list[int | None]
) -> None:
    """``None``: somebody takes one; else that camera has a look due."""
    desk: Desk[int] = Desk()
    waiting: list[int] = []
    offered = void = taken = 0
    for camera in asked:
        if camera is None:
            got = desk.take(0)
            assert (got[0] if got else None) == (waiting.pop(0) if waiting else None)
            taken += got is not None
        else:
            void += desk.offer(camera, _due(made, 0, 1))[0]
            offered += 1
            waiting += [] if camera in waiting else [camera]
        assert len(desk) == len(waiting)
    assert offered == void + taken + len(desk), "each is taken, given up and counted, or waits"
