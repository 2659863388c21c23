"""The receiving thread of a stream: connects, receives frames, and reconnects."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread

import structlog

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.status import ReceivedCounts, StreamStatus
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import AddressError, StreamError, UndecodableError
from cv_engine.live.stream.sample_watch import SampleWatch
from cv_engine.live.stream.stream_state import Backoff, StreamState, StreamStateMachine

# Part of the longest wait for a frame after which a stream is reported as stalled.
_STALLED = 0.5
_RECEIVING = (StreamState.LIVE, StreamState.BLIND)


class Feed:
    """Receives one stream in a thread of its own, until stopped.

    Args:
        name: Name of the camera.
        address: Returns the stream's address; called before each attempt, as passwords may change.
        stall_s: Longest wait for a frame, seconds.
        retry_s: Longest pause between attempts, seconds.
        clock: Tells when a frame was taken.
        ring: Keeps the last seconds.
        sampler: Picks the samples.
        offer: Takes a sample that is due; returns how many samples were dropped for it, and
            whether decoding has to restart at the next key frame.
    """

    def __init__(
        self,
        name: str,
        address: Callable[[], Address],
        stall_s: float,
        retry_s: float,
        *,
        clock: CaptureClock,
        ring: RingBuffer,
        sampler: LiveSampler,
        offer: Callable[[DueSample], tuple[int, bool]],
    ) -> None:
        self._name = name
        self._address = address
        self._stall_s = stall_s
        self._clock = clock
        self._ring = ring
        self._sampler = sampler
        self._offer = offer
        self._watch = SampleWatch(stall_s)
        self._by_ffmpeg = False  # whether FFmpeg reads the stream, whatever its kind
        self._backoff = Backoff(retry_s)
        self._machine = StreamStateMachine(StreamState.CONNECTING, clock.now())
        self._transition_lock = Lock()
        # Both are immutable, replaced as a whole, and read by other threads.
        self._status = self._current_status()
        self._received = ReceivedCounts()
        self._stopped = Event()
        self._decoding_failed = Event()
        self._gives_up = Event()
        self._latest_s = clock.now()
        self._first_s: float | None = None  # arrival of this connection's first frame
        # A thread blocked in a dead camera's socket must not keep the program from ending.
        self._thread = Thread(target=self._run, name=f"feed {name}", daemon=True)

    @property
    def status(self) -> StreamStatus:
        """The state of the stream; may be read from any thread."""
        return self._status

    @property
    def received(self) -> ReceivedCounts:
        """What was received so far; may be read from any thread."""
        return self._received

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Asks the thread to end: with the next frame, or when the wait for one is over."""
        self._stopped.set()

    def join(self, timeout_s: float) -> bool:
        """Waits for the end of the thread; returns whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def decoded(self) -> None:
        """Reports that a sample was decoded."""
        self._watch.sampled(self._clock.now())
        self._transition(StreamState.LIVE, only_from=StreamState.BLIND)

    def decoding_failed(self) -> None:
        """Reports that a sample is damaged: no frame can be decoded before the next key frame."""
        self._watch.failed(damaged=True)
        self._decoding_failed.set()

    def not_decoded(self) -> None:
        """Reports that pictures are not whole yet after a start without a key frame."""
        self._watch.failed(damaged=False)

    def check(self) -> None:
        """Notes a stream that stalls or gives no samples.

        To be called every second or so, by the thread that reports on the samples.
        """
        now_s = self._clock.now()
        if now_s - self._latest_s > _STALLED * self._stall_s:
            self._transition(StreamState.STALLED, "no frames come", only_from=StreamState.LIVE)
        if self._watch.check(now_s, self._sampler.interval_s):
            self._gives_up.set()
        if self._watch.reason:
            self._transition(StreamState.BLIND, self._watch.reason, only_from=StreamState.LIVE)

    def _run(self) -> None:
        while not self._stopped.is_set():
            is_undecodable = False
            try:
                self._receive()
                why = ""
            except (StreamError, AddressError) as error:
                why, is_undecodable = str(error), isinstance(error, UndecodableError)
            except Exception:
                # Whatever a stream sends, it is retried, and other streams are not affected.
                structlog.get_logger(__name__).exception("stream failed", camera=self._name)
                why = "an unexpected error, see the log"
            if self._stopped.is_set():
                break
            pause_s = self._failed(why, is_undecodable=is_undecodable)
            self._stopped.wait(pause_s)
            self._transition(StreamState.CONNECTING, only_from=StreamState.RECONNECTING)
        self._transition(StreamState.STOPPED)

    def _receive(self) -> None:
        """Receives frames over one connection, until stopped.

        Raises:
            AddressError, StreamError: No frames come, or no more.
            UndecodableError: Frames come, and no samples of them.
        """
        connection = Connection(self._address(), self._stall_s, by_ffmpeg=self._by_ffmpeg)
        self._gives_up.clear()
        self._clock.connected()
        self._sampler.connected()
        try:
            for encoded in connection:
                self._take(encoded)
                if self._stopped.is_set():
                    return
                if self._gives_up.is_set():
                    raise UndecodableError(self._watch.reason)
        finally:
            connection.close()

    def _take(self, encoded: EncodedFrame) -> None:
        """Buffers one frame, and offers the sample that is due with it."""
        steady_s = self._clock.place(encoded.media_s, encoded.arrived_s, encoded.sent_at)
        self._latest_s = self._clock.now()
        if self._first_s is None:
            self._first_s = self._latest_s
            self._watch.connected(self._latest_s, encoded)
        if self._machine.state not in _RECEIVING:
            why = self._watch.reason  # remains from the connection before until a sample comes
            self._transition(StreamState.BLIND if why else StreamState.LIVE, why)
        self._ring.add(steady_s, encoded)
        if self._decoding_failed.is_set():
            self._decoding_failed.clear()
            self._sampler.discard_group()
        due = self._sampler.take(steady_s, encoded)
        dropped = 0 if due is None else self._hand_over(due)
        packet = encoded.packet
        self._received = self._received.plus(
            packet.size, damaged=packet.is_corrupt, dropped=dropped
        )

    def _hand_over(self, due: DueSample) -> int:
        """Offers a sample that is due; returns how many samples were dropped for it."""
        self._watch.offered()
        dropped, must_restart = self._offer(due)
        if must_restart:
            self._decoding_failed.set()
        return dropped

    def _failed(self, why: str, *, is_undecodable: bool = False) -> float:
        """Notes a failure; returns the pause before the next attempt, seconds."""
        was_live_s = 0.0 if self._first_s is None else self._latest_s - self._first_s
        if is_undecodable:
            self._by_ffmpeg = not self._by_ffmpeg  # what one cannot use, the other may
        else:
            self._by_ffmpeg &= self._first_s is not None  # FFmpeg costs more, and brings nothing
        self._first_s = None
        self._watch.disconnected(self._latest_s)
        pause_s = self._backoff.failed(was_live_s)
        self._transition(StreamState.RECONNECTING, why)
        structlog.get_logger(__name__).warning(
            "stream lost", camera=self._name, reason=why, retry_in_s=round(pause_s, 1)
        )
        return pause_s

    def _transition(
        self, to: StreamState, why: str = "", only_from: StreamState | None = None
    ) -> None:
        with self._transition_lock:
            if self._machine.state is to or only_from not in (None, self._machine.state):
                return
            self._machine.transition(to, self._clock.now(), why)
            self._status = self._current_status()
        log = structlog.get_logger(__name__)
        if to is StreamState.LIVE:
            log.info("stream live", camera=self._name)
        elif to is StreamState.BLIND:
            log.warning("no samples", camera=self._name, reason=why)

    def _current_status(self) -> StreamStatus:
        machine = self._machine
        since = self._clock.utc(machine.since).timestamp()
        return StreamStatus(str(machine.state), since, machine.why, machine.reconnects)
