"""One stream: a thread that opens it, takes in what comes, and opens it again."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread

import structlog

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.status import CameraStatus
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import AddressError, StreamError
from cv_engine.live.stream.stream_state import Backoff, StreamState, StreamStateMachine

# Part of the longest wait for a picture after which a stream is told to be stalled.
_STALLED = 0.5


class Feed:
    """Takes in one stream until it is stopped.

    Args:
        name: The camera.
        address: Gives its address; called before each attempt, since passwords may change.
        stall_s: Longest wait for a picture, seconds.
        retry_s: Longest pause between attempts, seconds.
        clock: Tells when a picture was taken.
        ring: Keeps the last seconds.
        sampler: Picks what is looked at.
        offer: Takes a sample that is due; returns how many samples were dropped for it, and
            whether decoding has to restart at the next key frame.
        status: Where to note how it goes.
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
        status: CameraStatus,
    ) -> None:
        self._name = name
        self._address = address
        self._stall_s = stall_s
        self._clock = clock
        self._ring_buffer = ring
        self._sampler = sampler
        self._offer = offer
        self._status = status
        self._backoff = Backoff(retry_s)
        self._life = StreamStateMachine(StreamState.CONNECTING, clock.now())
        self._turning = Lock()
        self._stopped = Event()
        self._lost = Event()
        self._latest_s = clock.now()
        self._first_s: float | None = None  # of this connection's pictures
        # A thread blocked in a dead camera's socket must not keep the program from ending.
        self._thread = Thread(target=self._run, name=f"feed {name}", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._tell()
        self._thread.start()

    def stop(self) -> None:
        """Asks it to end, which it does with the next picture, or when it has waited enough."""
        self._stopped.set()

    def join(self, timeout_s: float) -> bool:
        """Waits for its end; tells whether it has come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def lost(self) -> None:
        """What was due could not be decoded: nothing can be, before the next key frame."""
        self._lost.set()

    def check(self) -> None:
        """Tells of silence; to be called every second or so."""
        silent_s = self._clock.now() - self._latest_s
        if silent_s > _STALLED * self._stall_s:
            self._turn(StreamState.STALLED, "no frames come", only_from=StreamState.LIVE)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._take_in()
                why = ""
            except (StreamError, AddressError) as error:
                why = str(error)
            except Exception:
                # Whatever a stream sends, it is tried again, and the others never hear of it.
                structlog.get_logger(__name__).exception("stream failed", camera=self._name)
                why = "an unexpected error, see the log"
            if self._stopped.is_set():
                break
            pause_s = self._failed(why)
            self._stopped.wait(pause_s)
            self._turn(StreamState.CONNECTING, only_from=StreamState.RECONNECTING)
        self._turn(StreamState.STOPPED)

    def _take_in(self) -> None:
        connection = Connection(self._address(), self._stall_s)
        self._clock.connected()
        self._sampler.connected()
        try:
            for encoded in connection:
                self._take(encoded)
                if self._stopped.is_set():
                    return
        finally:
            connection.close()

    def _take(self, encoded: EncodedFrame) -> None:
        steady_s = self._clock.place(encoded.media_s, encoded.arrived_s, encoded.sent_at)
        self._latest_s = self._clock.now()
        if self._first_s is None:
            self._first_s = self._latest_s
        if self._life.state is not StreamState.LIVE:
            self._turn(StreamState.LIVE)
        status = self._status
        status.packets += 1
        status.received_bytes += encoded.packet.size
        if encoded.packet.is_corrupt:
            status.damaged += 1
        self._ring_buffer.add(steady_s, encoded)
        if self._lost.is_set():
            self._lost.clear()
            self._sampler.lost()
        due = self._sampler.take(steady_s, encoded)
        if due is not None:
            dropped, broken = self._offer(due)
            status.dropped += dropped
            if broken:
                self.lost()

    def _failed(self, why: str) -> float:
        """Notes a failure; gives the pause before the next attempt, seconds."""
        was_live_s = 0.0 if self._first_s is None else self._latest_s - self._first_s
        self._first_s = None
        pause_s = self._backoff.failed(was_live_s)
        self._turn(StreamState.RECONNECTING, why)
        structlog.get_logger(__name__).warning(
            "stream lost", camera=self._name, reason=why, retry_in_s=round(pause_s, 1)
        )
        return pause_s

    def _turn(self, to: StreamState, why: str = "", only_from: StreamState | None = None) -> None:
        with self._turning:
            if self._life.state is to or only_from not in (None, self._life.state):
                return
            self._life.transition(to, self._clock.now(), why)
            self._tell()
        if to is StreamState.LIVE:
            structlog.get_logger(__name__).info("stream live", camera=self._name)

    def _tell(self) -> None:
        status, life = self._status, self._life
        status.state, status.message = str(life.state), life.why
        status.since = self._clock.utc(life.since).timestamp()
        status.reconnects = life.reconnects
