"""A feed whose frames give no samples: not live, with the reason, and read in the other way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import UndecodableError
from cv_engine.live.stream.feed import Feed
from cv_engine.live.stream.sample_watch import DAMAGED, NO_PARAMETER_SETS, UNDECODABLE
from cv_engine.live.stream.stream_state import StreamState
from tests.live.encoded_frames import HandClock, numbered

_STALL_S = 10.0
_INTERVAL_S = 1.0


class _Blind:
    """A stream with a clock set by hand, whose samples the test decodes or does not."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = HandClock()
        self.frames: list[EncodedFrame] = numbered(folder, 40, gop=10)
        self.readers: list[bool] = []
        self.decodes = "whole"
        self.feed = Feed(
            *("market", lambda: Address("rtsp://127.0.0.1/none"), _STALL_S, 1.0),
            clock=self.machine.capture(),
            ring=RingBuffer(folder / "kept", 20.0, 1 << 20),
            sampler=LiveSampler(_INTERVAL_S),
            offer=self._offer,
        )
        monkeypatch.setattr("cv_engine.live.stream.feed.Connection", self._connection)

    def _connection(self, address: Address, stall_s: float, *, by_ffmpeg: bool) -> _Blind:
        self.readers.append(by_ffmpeg)
        return self

    def __iter__(self) -> Iterator[EncodedFrame]:
        """Ten frames a second, for longer than any wait."""
        for _ in range(100):
            for encoded in self.frames:
                self.machine.pass_by(0.1)
                yield encoded._replace(arrived_s=self.machine.monotonic)
                if self.machine.monotonic % 1.0 < 0.1:
                    self.feed.check()

    def close(self) -> None:
        """Nothing is open."""

    def _offer(self, due: DueSample) -> tuple[int, bool]:
        if self.decodes == "whole":
            self.feed.decoded()
        elif self.decodes == "damaged":
            self.feed.decoding_failed()
        else:
            self.feed.not_decoded()
        return 0, False

    @property
    def state(self) -> tuple[str, str]:
        """State and message."""
        return self.feed.status.state, self.feed.status.message

    def connect(self) -> tuple[str, float]:
        """One connection until the feed gives it up: why, and after how long."""
        began_s = self.machine.monotonic
        with pytest.raises(UndecodableError) as error:
            self.feed._receive()
        why = str(error.value)
        lasted_s = self.machine.monotonic - began_s
        blind = self.state
        self.feed._failed(why, is_undecodable=True)
        self.feed._transition(StreamState.CONNECTING)
        assert blind == ("blind", why)
        return why, lasted_s


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Blind:
    return _Blind(tmp_path, monkeypatch)


def test_what_this_reader_cannot_use_ffmpeg_reads(stream: _Blind) -> None:
    stream.decodes = "damaged"
    why, lasted_s = stream.connect()
    assert why == DAMAGED
    assert lasted_s == pytest.approx(_STALL_S, abs=1.2)
    assert stream.state == ("connecting", DAMAGED)
    later_s = [stream.connect()[1] for _ in range(2)]
    assert later_s == pytest.approx([2 * _STALL_S, 4 * _STALL_S], abs=1.2)
    assert stream.readers == [False, True, False]


def test_where_ffmpeg_brings_no_frame_its_turn_is_over(stream: _Blind) -> None:
    stream.decodes = "damaged"
    stream.connect()
    stream.feed._failed("no answer in time")
    stream.feed._transition(StreamState.CONNECTING)
    stream.connect()
    assert stream.readers == [False, False]


def test_ffmpeg_stays_where_it_brings_samples(stream: _Blind) -> None:
    stream.decodes = "damaged"
    stream.connect()
    stream.decodes = "whole"
    for encoded in stream.frames:
        stream.machine.pass_by(0.1)
        stream.feed._take(encoded._replace(arrived_s=stream.machine.monotonic))
    assert stream.state == ("live", "")
    stream.feed._failed("the stream has ended")
    stream.feed._transition(StreamState.CONNECTING)
    stream.decodes = "damaged"
    stream.connect()
    assert stream.readers == [False, True]


def test_a_stream_without_parameter_sets_is_read_by_ffmpeg_next(stream: _Blind) -> None:
    """No frame comes then: the format is unknown."""
    stream.feed._failed(NO_PARAMETER_SETS, is_undecodable=True)
    stream.feed._transition(StreamState.CONNECTING)
    stream.decodes = "damaged"
    stream.connect()
    assert stream.readers == [True]


def test_a_stream_stays_blind_until_a_sample_comes(stream: _Blind) -> None:
    stream.decodes = "never"
    stream.frames = [each._replace(key=False) for each in stream.frames]
    assert stream.connect()[0] == UNDECODABLE
    first = stream.frames[0]
    stream.feed._take(first._replace(arrived_s=stream.machine.monotonic))
    assert stream.state == ("blind", UNDECODABLE), "frames alone are not enough"
    stream.feed.decoded()
    assert stream.state == ("live", "")
