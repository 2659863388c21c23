"""Waiting samples: one of each camera, in order, merged where one depends on another."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.buffer.latest_frame_queue import LatestFrameQueue
from cv_engine.live.buffer.sampler import DueSample
from cv_engine.live.encoded_frame import EncodedFrame
from tests.live.encoded_frames import numbered

# Nothing takes so long, on however busy a machine.
_PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[EncodedFrame]:
    return numbered(tmp_path_factory.mktemp("made"), 12, gop=100)


def _due(made: list[EncodedFrame], first: int, last: int) -> DueSample:
    """A sample of the frame before ``last``, decoded from ``first`` on."""
    return DueSample(float(last), tuple(made[first:last]), made[first].key)


def test_a_later_sample_replaces_the_waiting_one(made: list[EncodedFrame]) -> None:
    latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
    assert latest_frames.offer("a", _due(made, 0, 1)) == (0, False)
    assert latest_frames.offer("b", _due(made, 0, 1)) == (0, False)
    assert latest_frames.offer("a", _due(made, 0, 3)) == (1, False)
    assert len(latest_frames) == 2
    assert latest_frames.take(0) == ("a", _due(made, 0, 3)), "it keeps its position"
    assert latest_frames.take(0) == ("b", _due(made, 0, 1))
    assert latest_frames.take(0) is None


def test_dependent_samples_are_merged(made: list[EncodedFrame]) -> None:
    latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
    latest_frames.offer("a", _due(made, 0, 4))
    assert latest_frames.offer("a", _due(made, 4, 7)) == (1, False)
    assert latest_frames.offer("a", _due(made, 7, 9)) == (1, False)
    taken = latest_frames.take(0)
    assert taken == ("a", _due(made, 0, 9))
    # Once that is taken, the next sample depends on it.
    latest_frames.offer("a", _due(made, 9, 12))
    assert latest_frames.take(0) == ("a", _due(made, 9, 12))


def test_too_large_a_group_is_discarded(
    made: list[EncodedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cv_engine.live.buffer.latest_frame_queue._MOST_BYTES", _due(made, 0, 8).bytes
    )
    latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
    latest_frames.offer("a", _due(made, 0, 4))
    assert latest_frames.offer("a", _due(made, 4, 8)) == (1, False)
    assert latest_frames.offer("a", _due(made, 8, 9)) == (2, True)
    assert len(latest_frames) == 0
    assert latest_frames.offer("a", _due(made, 0, 1)) == (0, False)


def test_cameras_that_are_not_ready_are_skipped(made: list[EncodedFrame]) -> None:
    latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
    for name in "abc":
        latest_frames.offer(name, _due(made, 0, 1))
    taken = latest_frames.take(0, but={"a", "b"})
    assert taken is not None
    assert taken[0] == "c"
    assert latest_frames.take(0, but={"a", "b"}) is None
    latest_frames.clear("a")
    latest_frames.clear("z")
    taken = latest_frames.take(0)
    assert taken is not None
    assert taken[0] == "b"


def test_a_waiting_thread_is_woken(made: list[EncodedFrame]) -> None:
    latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
    taken: list[object] = []
    thread = Thread(target=lambda: taken.append(latest_frames.take(10 * _PATIENCE_S)))
    thread.start()
    latest_frames.offer("a", _due(made, 0, 1))
    thread.join(_PATIENCE_S)
    assert taken == [("a", _due(made, 0, 1))]


@given(st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=60))
def test_no_camera_waits_for_another_that_is_busier(
    made: list[EncodedFrame], asked: list[int | None]
) -> None:
    """``None``: a sample is taken; else a sample of that camera is due."""
    latest_frames: LatestFrameQueue[int] = LatestFrameQueue()
    waiting: list[int] = []
    offered = dropped = taken = 0
    for camera in asked:
        if camera is None:
            got = latest_frames.take(0)
            assert (got[0] if got else None) == (waiting.pop(0) if waiting else None)
            taken += got is not None
        else:
            dropped += latest_frames.offer(camera, _due(made, 0, 1))[0]
            offered += 1
            waiting += [] if camera in waiting else [camera]
        assert len(latest_frames) == len(waiting)
    assert offered == dropped + taken + len(latest_frames), "each is taken, dropped or waits"
