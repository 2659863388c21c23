"""The receiving thread of a stream: receives frames, reports its state, and reconnects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import AddressError
from cv_engine.live.stream.feed import Feed
from cv_engine.live.stream.stream_state import StreamState
from tests.live.encoded_frames import HandClock, encoded_frames
from tests.video.recordings import record, times

_PATIENCE_S = 60.0


@dataclass
class _FileStream:
    """A stream that is a file: it ends, and is opened again."""

    folder: Path
    address: Callable[[], Address]
    retry_s: float = 0.02
    clock: CaptureClock = field(default_factory=CaptureClock)
    dues: list[DueSample] = field(default_factory=list)
    enough: Event = field(default_factory=Event)
    wanted: int = 1

    def __post_init__(self) -> None:
        self.ring = RingBuffer(self.folder / "kept", 20.0, 1 << 20)
        self.sampler = LiveSampler(1.0)
        self.feed = Feed(
            *("market", self.address, 10.0, self.retry_s),
            clock=self.clock,
            ring=self.ring,
            sampler=self.sampler,
            offer=self._offer,
        )

    def _offer(self, due: DueSample) -> tuple[int, bool]:
        self.dues.append(due)
        if len(self.dues) >= self.wanted:
            self.enough.set()
        return 0, False

    def end(self) -> None:
        self.feed.stop()
        assert self.feed.join(_PATIENCE_S)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four seconds with a key frame each, readable at once."""
    return record(tmp_path / "a.ts", times(40), gop=10)


@pytest.fixture
def ended() -> Iterator[list[_FileStream]]:
    """Streams to be ended after the test."""
    streams: list[_FileStream] = []
    yield streams
    for stream in streams:
        stream.end()
    assert not [each for each in threading.enumerate() if each.name == "feed market"]


def _until(met: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(round(_PATIENCE_S / 0.01)):
        if met():
            return
        pause.wait(0.01)
    raise AssertionError("the condition was not met in time")


def test_a_stream_that_ends_is_opened_again(
    path: Path, tmp_path: Path, ended: list[_FileStream]
) -> None:
    stream = _FileStream(tmp_path, lambda: Address(str(path), transport="udp"), wanted=3)
    ended.append(stream)
    stream.feed.start()
    assert stream.enough.wait(_PATIENCE_S)
    _until(lambda: stream.feed.status.reconnects >= 3)
    assert stream.feed.received.packets >= 120
    assert stream.feed.received.received_bytes > 0
    assert stream.feed.received.damaged == 0
    assert stream.ring.bytes > 0
    # Each connection begins with a key frame, which is sampled or skipped.
    assert all(due.begins for due in stream.dues if due.encoded[0].key)
    steady = [due.steady_s for due in stream.dues]
    assert steady == sorted(set(steady))
    stream.feed.stop()
    assert stream.feed.join(_PATIENCE_S)
    assert stream.feed.status.state == "stopped"


def test_why_a_stream_cannot_be_opened_is_reported(
    tmp_path: Path, ended: list[_FileStream]
) -> None:
    stream = _FileStream(tmp_path, lambda: Address(str(tmp_path / "missing")))
    ended.append(stream)
    stream.feed.start()
    _until(lambda: stream.feed.status.reconnects >= 2)
    assert "No such file" in stream.feed.status.message
    assert not stream.dues


def test_the_password_is_looked_up_before_each_attempt(
    path: Path, tmp_path: Path, ended: list[_FileStream]
) -> None:
    """Settings may change between attempts."""
    there: list[bool] = []

    def address() -> Address:
        if not there:
            raise AddressError("the environment variable PW is not set")
        return Address(str(path), transport="udp")

    stream = _FileStream(tmp_path, address)
    ended.append(stream)
    stream.feed.start()
    _until(lambda: stream.feed.status.reconnects >= 2)
    assert stream.feed.status.message == "the environment variable PW is not set"
    there.append(True)
    assert stream.enough.wait(_PATIENCE_S)


def test_a_feed_stops_during_a_pause_between_attempts(tmp_path: Path) -> None:
    stream = _FileStream(tmp_path, lambda: Address(str(tmp_path / "missing")), retry_s=3600.0)
    stream.feed.start()
    _until(lambda: stream.feed.status.state == "reconnecting")
    stream.end()
    assert stream.feed.status.state == "stopped"


def _by_hand(path: Path, folder: Path, retry_s: float) -> tuple[_FileStream, HandClock]:
    machine = HandClock()
    stream = _FileStream(
        folder, lambda: Address(str(path)), retry_s=retry_s, clock=machine.capture()
    )
    return stream, machine


def test_a_stream_is_stalled_until_the_next_frame(path: Path, tmp_path: Path) -> None:
    stream, machine = _by_hand(path, tmp_path, 60.0)
    first, second, *_ = encoded_frames(path)
    stream.feed.check()
    machine.pass_by(100.0)
    stream.feed.check()
    assert stream.feed.status.state == "connecting", "a stream that is not live yet cannot stall"
    stream.feed._take(first._replace(arrived_s=machine.monotonic))
    assert stream.feed.status.state == "live"
    machine.pass_by(4.9)
    stream.feed.check()
    assert stream.feed.status.state == "live"
    machine.pass_by(0.2)
    stream.feed.check()
    assert (stream.feed.status.state, stream.feed.status.message) == ("stalled", "no frames come")
    assert stream.feed.status.since == pytest.approx(machine.wall)
    stream.feed._take(second._replace(arrived_s=machine.monotonic))
    assert (stream.feed.status.state, stream.feed.status.message) == ("live", "")


@pytest.mark.parametrize("stalls", [False, True])
def test_the_first_retry_after_a_long_live_time_is_quick(
    stalls: bool, path: Path, tmp_path: Path
) -> None:
    """Also where the stream first fell silent, as when a camera loses its power."""
    stream, machine = _by_hand(path, tmp_path, 600.0)
    first, second, *_ = encoded_frames(path)
    pauses = []
    for _ in range(6):
        pauses.append(stream.feed._failed("no answer in time"))
        stream.feed._transition(StreamState.CONNECTING)
    assert pauses[-1] >= 16.0
    stream.feed._take(first._replace(arrived_s=machine.monotonic))
    machine.pass_by(3600.0)
    stream.feed._take(second._replace(arrived_s=machine.monotonic))
    if stalls:
        machine.pass_by(6.0)
        stream.feed.check()
        assert stream.feed.status.state == "stalled"
    assert stream.feed._failed("no answer in time") <= 1.5
    # A connection that brings only a few frames is no recovery.
    stream.feed._transition(StreamState.CONNECTING)
    stream.feed._take(first._replace(arrived_s=machine.monotonic))
    machine.pass_by(6.0)
    stream.feed.check()
    assert stream.feed._failed("no answer in time") > 0.9


def test_after_a_decoding_failure_the_feed_waits_for_a_key_frame(
    path: Path, tmp_path: Path
) -> None:
    stream, machine = _by_hand(path, tmp_path, 60.0)
    stream.sampler.interval_s = 0.4
    made = encoded_frames(path)
    began_s = machine.monotonic

    def take(first: int, last: int) -> list[DueSample]:
        stream.dues.clear()
        for encoded in made[first:last]:
            machine.monotonic = began_s + encoded.media_s
            stream.feed._take(encoded._replace(arrived_s=machine.monotonic))
        return list(stream.dues)

    assert take(0, 7)
    stream.feed.decoding_failed()
    assert take(7, 10) == []
    assert take(10, 11)[0].begins


def test_corrupt_packets_are_counted(path: Path, tmp_path: Path) -> None:
    stream, machine = _by_hand(path, tmp_path, 60.0)
    (first, *_) = encoded_frames(path)
    first.packet.is_corrupt = True
    stream.feed._take(first._replace(arrived_s=machine.monotonic))
    assert (stream.feed.received.packets, stream.feed.received.damaged) == (1, 1)
