"""Streams whose frames give no samples: noticed in time, with the reason, and tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.sample_watch import (
    BEHIND,
    DAMAGED,
    NO_PARAMETER_SETS,
    UNDECODABLE,
    SampleWatch,
)
from tests.live.encoded_frames import numbered

_STALL_S = 10.0
_INTERVAL_S = 2.0


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> EncodedFrame:
    """The first frame of a connection."""
    return numbered(tmp_path_factory.mktemp("first"), 1)[0]


def _connected(first: EncodedFrame) -> SampleWatch:
    watch = SampleWatch(_STALL_S)
    watch.connected(0.0, first)
    return watch


def test_samples_that_come_are_no_reason(first: EncodedFrame) -> None:
    watch = _connected(first)
    for second in range(100):
        if second % 9 == 0:
            watch.offered()
            watch.sampled(float(second))
        assert not watch.check(float(second), _INTERVAL_S)
        assert watch.reason == ""


def test_without_a_start_that_can_be_decoded_pictures_are_undecodable(first: EncodedFrame) -> None:
    watch = _connected(first)
    assert not watch.check(9.9, _INTERVAL_S)
    assert watch.reason == ""
    assert watch.check(10.0, _INTERVAL_S), "another connection is tried"
    assert watch.reason == UNDECODABLE


def test_the_reason_tells_what_became_of_the_samples(first: EncodedFrame) -> None:
    watch = _connected(first)
    watch.offered()
    watch.failed(damaged=False)
    watch.check(10.0, _INTERVAL_S)
    assert watch.reason == UNDECODABLE, "pictures that are not whole"
    watch = _connected(first)
    watch.offered()
    watch.failed(damaged=True)
    watch.check(10.0, _INTERVAL_S)
    assert watch.reason == DAMAGED
    watch = _connected(first._replace(format=replace(first.format, width=0, height=0)))
    watch.failed(damaged=True)
    watch.check(10.0, _INTERVAL_S)
    assert watch.reason == NO_PARAMETER_SETS


def test_where_samples_wait_no_other_connection_is_tried(first: EncodedFrame) -> None:
    watch = _connected(first)
    watch.offered()
    assert not watch.check(1000.0, _INTERVAL_S)
    assert watch.reason == BEHIND


def test_the_reason_remains_until_a_sample_comes(first: EncodedFrame) -> None:
    watch = _connected(first)
    assert watch.check(10.0, _INTERVAL_S)
    watch.disconnected(10.0)
    assert not watch.check(30.0, _INTERVAL_S)
    watch.connected(40.0, first)
    assert not watch.check(41.0, _INTERVAL_S)
    assert watch.reason == UNDECODABLE
    watch.offered()
    watch.sampled(42.0)
    assert watch.reason == ""
    assert not watch.check(51.0, _INTERVAL_S)
    assert watch.check(52.0, _INTERVAL_S)


def test_each_connection_is_waited_for_longer(first: EncodedFrame) -> None:
    """A camera may send a key frame every few minutes, and none for a new connection."""
    watch, now_s, waits = SampleWatch(_STALL_S), 0.0, []
    for _ in range(8):
        began_s = now_s
        watch.connected(now_s, first)
        while not watch.check(now_s, _INTERVAL_S):
            now_s += 1.0
        waits.append(now_s - began_s)
        watch.disconnected(now_s)
    assert waits == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 320.0, 320.0]


def test_connections_that_break_off_before_a_sample_add_up(first: EncodedFrame) -> None:
    watch = SampleWatch(_STALL_S)
    for number in range(3):
        watch.connected(number * 100.0, first)
        assert not watch.check(number * 100.0 + 3.0, _INTERVAL_S)
        watch.disconnected(number * 100.0 + 3.0)
        assert watch.reason == "", "while it is away, it is not waited for"
    watch.connected(300.0, first)
    assert not watch.check(300.9, _INTERVAL_S)
    assert watch.check(301.0, _INTERVAL_S)
    assert watch.reason == UNDECODABLE


def test_rare_samples_are_not_missed(first: EncodedFrame) -> None:
    watch = _connected(first)
    assert not watch.check(59.0, 30.0)
    assert watch.reason == ""
    assert watch.check(60.0, 30.0)
