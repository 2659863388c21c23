"""Whether samples come of the frames that a stream delivers, and why none does."""

from __future__ import annotations

from cv_engine.live.encoded_frame import EncodedFrame

UNDECODABLE = "pictures arrive, none can be decoded alone: no key frame, no recovery point"
NO_PARAMETER_SETS = "pictures arrive, none can be decoded: no parameter sets"
DAMAGED = "pictures arrive, none can be decoded: all are damaged"
BEHIND = "pictures arrive, none is decoded: the worker does not keep up"
# A sample is late after so many intervals, where those are long.
_INTERVALS = 2.0
# Each wait for a sample is twice as long as the one before, up to this, seconds: a camera may send
# a key frame every few minutes, and none for a new connection.
_LONGEST_S = 320.0


class SampleWatch:
    """Watches whether samples come of one stream.

    The thread of the stream reports connections and frames, the thread of the samples all else.

    Args:
        stall_s: Longest time without a sample, seconds.

    Attributes:
        reason: Why no sample has come for so long; empty where samples come. Remains over new
            connections until a sample comes.
    """

    def __init__(self, stall_s: float) -> None:
        self.reason = ""
        self._stall_s = stall_s
        self._since_s: float | None = None  # since when this connection's frames give no sample
        self._waited_s = 0.0  # time without a sample on connections before
        self._given_up = 0
        self._has_size = True
        self._damaged = self._offered = self._decoded = False

    def connected(self, now_s: float, first: EncodedFrame) -> None:
        """A connection has brought its first frame."""
        self._has_size = bool(first.format.width)
        self._since_s = now_s
        self._damaged = self._offered = self._decoded = False

    def disconnected(self, latest_s: float) -> None:
        """A connection is over, which brought its last frame at ``latest_s``."""
        if self._since_s is not None:
            self._waited_s += max(0.0, latest_s - self._since_s)
        self._since_s = None

    def offered(self) -> None:
        """A sample was offered for decoding."""
        self._offered = True

    def failed(self, *, damaged: bool) -> None:
        """No picture came of a sample."""
        self._decoded = True
        self._damaged |= damaged

    def sampled(self, now_s: float) -> None:
        """A sample was decoded."""
        self.reason, self._given_up, self._waited_s = "", 0, 0.0
        if self._since_s is not None:
            self._since_s = now_s
        self._damaged = self._offered = self._decoded = False

    def check(self, now_s: float, interval_s: float) -> bool:
        """Updates the reason; returns whether another connection should be tried.

        Args:
            now_s: The present time, seconds.
            interval_s: Interval of the samples, seconds.
        """
        if self._since_s is None:
            return False
        limit_s = max(self._stall_s, _INTERVALS * interval_s)
        waited_s = self._waited_s + now_s - self._since_s
        if waited_s < limit_s:
            return False
        self.reason = self._why()
        if self.reason == BEHIND or waited_s < min(_LONGEST_S, limit_s * 2**self._given_up):
            return False
        self._given_up += 1
        self._waited_s, self._since_s = 0.0, None
        return True

    def _why(self) -> str:
        if not self._has_size:
            return NO_PARAMETER_SETS
        if self._damaged:
            return DAMAGED
        return BEHIND if self._offered and not self._decoded else UNDECODABLE
