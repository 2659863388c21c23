"""Which frames of a stream are decoded: enough of them, and no more than needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.video.sampler import KEY_SPACING_TOLERANCE
from tests.live.encoded_frames import BEGAN_S, numbered

_RATE = 5.0
_LENGTH_S = 40.0


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncodedFrame, EncodedFrame]:
    """A key frame and another frame, both real."""
    made = numbered(tmp_path_factory.mktemp("pool"), 4, gop=100)
    return made[0], made[1]


def _stream(
    pool: tuple[EncodedFrame, EncodedFrame], spacing_s: float, length_s: float = _LENGTH_S
) -> list[tuple[float, EncodedFrame]]:
    """Steady times and frames of a stream with key frames this far apart."""
    group = round(spacing_s * _RATE)
    return [
        (BEGAN_S + number / _RATE, pool[bool(number % group)])
        for number in range(round(length_s * _RATE))
    ]


def _dues(sampler: LiveSampler, stream: list[tuple[float, EncodedFrame]]) -> list[DueSample]:
    return [due for time, each in stream if (due := sampler.take(time, each)) is not None]


def _follow(dues: list[DueSample], stream: list[tuple[float, EncodedFrame]]) -> None:
    """Asserts that each sample can be decoded, from a key frame or on from the one before."""
    assert dues[0].begins
    index = {time: number for number, (time, _) in enumerate(stream)}
    decoded = -1
    for due in dues:
        last = index[due.steady_s]
        first = last - len(due.encoded) + 1
        assert [id(encoded) for encoded in due.encoded] == [
            id(encoded) for _, encoded in stream[first : last + 1]
        ]
        if due.begins:
            assert due.encoded[0].key
            assert not any(encoded.key for encoded in due.encoded[1:])
        else:
            assert first == decoded + 1
        decoded = last


@pytest.mark.parametrize("interval_s", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("spacing_s", [0.4, 1.0, 2.0, 2.4, 4.0, 10.0, 30.0])
def test_every_interval_gets_a_sample(
    spacing_s: float, interval_s: float, pool: tuple[EncodedFrame, EncodedFrame]
) -> None:
    stream = _stream(pool, spacing_s)
    dues = _dues(LiveSampler(interval_s), stream)
    _follow(dues, stream)
    gaps = [after.steady_s - before.steady_s for before, after in pairwise(dues)]
    gaps.append(stream[-1][0] - dues[-1].steady_s)
    # One frame later at most, and somewhat longer where key frames then suffice.
    assert max(gaps) <= interval_s * KEY_SPACING_TOLERANCE + 1 / _RATE + 0.06
    if spacing_s <= interval_s:
        assert all(len(due.encoded) == 1 for due in dues), "key frames suffice"
        # The latest one in time.
        assert max(gaps[:-1], default=0) <= interval_s + 0.06
        assert len(dues) <= 2 + _LENGTH_S / max(spacing_s, interval_s - spacing_s)
    elif spacing_s > interval_s * KEY_SPACING_TOLERANCE + 0.06:
        # Once the spacing of key frames is known.
        known_s = BEGAN_S + spacing_s + interval_s
        later = [b.steady_s - a.steady_s for a, b in pairwise(dues) if a.steady_s > known_s]
        assert max(later, default=0) <= interval_s + 1 / _RATE + 0.06
    assert len(dues) <= 2 + 2 * _LENGTH_S / interval_s


@given(
    groups=st.lists(st.integers(1, 60), min_size=1, max_size=20),
    intervals=st.lists(st.sampled_from([1.0, 2.0, 4.0]), min_size=1, max_size=20),
)
def test_uneven_groups_and_changing_intervals_leave_no_gap(
    groups: list[int], intervals: list[float], pool: tuple[EncodedFrame, EncodedFrame]
) -> None:
    sampler = LiveSampler(intervals[0])
    stream, dues, number = [], [], 0
    for index, group in enumerate(groups):
        for place in range(group):
            time = BEGAN_S + number / _RATE
            stream.append((time, pool[bool(place)]))
            due = sampler.take(*stream[-1])
            if due is not None:
                dues.append(due)
                sampler.interval_s = intervals[index % len(intervals)]
            longest_s = max(intervals) * KEY_SPACING_TOLERANCE
            assert time - dues[-1].steady_s <= longest_s + 1 / _RATE + 0.06
            number += 1
    _follow(dues, stream)


def test_a_longer_interval_gives_fewer_samples(pool: tuple[EncodedFrame, EncodedFrame]) -> None:
    stream = _stream(pool, 1.0)
    sampler = LiveSampler(2.0)
    assert len(_dues(sampler, stream[:100])) == 10
    sampler.interval_s = 4.0
    assert len(_dues(sampler, stream[100:])) == 5


def test_after_a_decoding_failure_the_next_key_frame_is_sampled(
    pool: tuple[EncodedFrame, EncodedFrame],
) -> None:
    stream = _stream(pool, 8.0)
    sampler = LiveSampler(2.0)
    _dues(sampler, stream[:20])
    sampler.discard_group()
    (due, *_) = _dues(sampler, stream[20:])
    assert due.steady_s == BEGAN_S + 8.0
    assert due.begins
    assert len(due.encoded) == 1


def test_a_new_connection_begins_with_a_key_frame(pool: tuple[EncodedFrame, EncodedFrame]) -> None:
    sampler = LiveSampler(2.0)
    _dues(sampler, _stream(pool, 10.0, 5.0))
    sampler.connected()
    stream = [(time + 5.0, encoded) for time, encoded in _stream(pool, 4.0, 10.0)][3:]
    dues = _dues(sampler, stream)
    assert dues[0].begins
    assert dues[0].steady_s == BEGAN_S + 9.0


def test_the_group_held_for_decoding_is_bounded(
    pool: tuple[EncodedFrame, EncodedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    most = pool[0].packet.size + 20 * pool[1].packet.size
    monkeypatch.setattr("cv_engine.live.buffer.sampler._MOST_BYTES", most)
    sampler = LiveSampler(10.0)
    stream = _stream(pool, 20.0)
    held = []
    for time, encoded in stream:
        sampler.take(time, encoded)
        held.append(sum(each.packet.size for each in sampler._group))
    assert max(held) <= most
    discarded = held.index(0)
    assert not any(held[discarded : discarded + 20]), "discarded, and nothing begins for a while"
    # Key frames are still sampled.
    assert _dues(sampler, [(BEGAN_S + _LENGTH_S, pool[0])])[0].begins


@pytest.mark.parametrize("interval_s", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("has_key_frame", [False, True])
def test_recovery_points_begin_where_nothing_is_decoded_yet(
    has_key_frame: bool, interval_s: float, pool: tuple[EncodedFrame, EncodedFrame]
) -> None:
    """Recovery points every two seconds; pictures are whole eight frames after each."""
    key, other = pool
    point = other._replace(key=True, recovery=8)
    stream = [
        (BEGAN_S + number / _RATE, other if number % 10 else point)
        for number in range(round(_LENGTH_S * _RATE))
    ]
    if has_key_frame:
        stream[0] = (BEGAN_S, key)
    else:
        stream = stream[7:]
    dues = _dues(LiveSampler(interval_s), stream)
    assert [due.begins for due in dues[1:]] == [False] * (len(dues) - 1) or has_key_frame
    first = dues[0]
    if not has_key_frame:
        assert first.encoded[0].recovery == 8
        assert first.steady_s == pytest.approx(BEGAN_S + 2.0 + 8 / _RATE)
        assert len(first.encoded) == 9
    times = [due.steady_s for due in dues]
    later = [b - a for a, b in pairwise(times) if a > BEGAN_S + 4.0]
    assert later == pytest.approx([interval_s] * len(later), abs=1 / _RATE)
    assert times[-1] > stream[-1][0] - interval_s - 0.1
    assert sum(len(due.encoded) for due in dues[1:]) <= len(stream), "each is decoded once"


def test_after_a_decoding_failure_the_next_recovery_point_begins(
    pool: tuple[EncodedFrame, EncodedFrame],
) -> None:
    key, other = pool
    point = other._replace(key=True, recovery=5)
    sampler = LiveSampler(1.0)
    _dues(sampler, [(BEGAN_S + number / _RATE, other if number else key) for number in range(30)])
    sampler.discard_group()
    later = [(BEGAN_S + 6.0 + n / _RATE, point if n == 10 else other) for n in range(30)]
    first, second, *_ = _dues(sampler, later)
    assert (first.begins, second.begins) == (True, False)
    assert first.encoded[0] is point
    assert first.steady_s == pytest.approx(BEGAN_S + 6.0 + 15 / _RATE)


def test_frames_without_any_mark_are_decoded_after_a_while(
    pool: tuple[EncodedFrame, EncodedFrame],
) -> None:
    """Only the decoder can tell then when pictures are whole."""
    _, other = pool
    stream = [(BEGAN_S + number / _RATE, other) for number in range(100)]
    dues = _dues(LiveSampler(2.0), stream)
    assert dues[0].steady_s == pytest.approx(BEGAN_S + 5.0)
    assert [due.begins for due in dues] == [True] + [False] * (len(dues) - 1)
    assert sum(len(due.encoded) for due in dues) >= 65
    mpeg4 = replace(other.format, codec="mpeg4")  # its decoder shows pictures that are not whole
    assert _dues(LiveSampler(2.0), [(t, each._replace(format=mpeg4)) for t, each in stream]) == []


def test_reordered_frames_are_sampled_too(tmp_path: Path) -> None:
    """Real B-frames: steady times increase in decoding order, not in presentation order."""
    made = numbered(tmp_path, 150, gop=50, b_frames=3)
    assert any(after.media_s < before.media_s for before, after in pairwise(made)), (
        "there must be some"
    )
    stream = [(BEGAN_S + number / 10.0, encoded) for number, encoded in enumerate(made)]
    dues = _dues(LiveSampler(1.0), stream)
    _follow(dues, stream)
    assert len(dues) >= 13
