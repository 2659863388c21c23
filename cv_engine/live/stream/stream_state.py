"""The states of a stream, the transitions between them, and the pauses between attempts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

# Pauses between attempts: the first, and the factor from each to the next.
_FIRST_PAUSE_S = 1.0
_FACTOR = 2.0
# Part of a pause that is random, so that a thousand cameras behind one switch that comes back are
# not all connected to at once.
_JITTER = 0.5
# A stream that has been live for so long has recovered: the next pause is a first one again.
_RECOVERED_S = 30.0


class StreamState(StrEnum):
    """State of a stream."""

    CONNECTING = "connecting"
    LIVE = "live"
    BLIND = "blind"  # frames come, and no samples of them
    STALLED = "stalled"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"


_NEXT: dict[StreamState, frozenset[StreamState]] = {
    StreamState.CONNECTING: frozenset(
        {StreamState.LIVE, StreamState.BLIND, StreamState.RECONNECTING, StreamState.STOPPED}
    ),
    StreamState.LIVE: frozenset(
        {StreamState.BLIND, StreamState.STALLED, StreamState.RECONNECTING, StreamState.STOPPED}
    ),
    StreamState.BLIND: frozenset({StreamState.LIVE, StreamState.RECONNECTING, StreamState.STOPPED}),
    StreamState.STALLED: frozenset(
        {StreamState.LIVE, StreamState.BLIND, StreamState.RECONNECTING, StreamState.STOPPED}
    ),
    StreamState.RECONNECTING: frozenset({StreamState.CONNECTING, StreamState.STOPPED}),
    StreamState.STOPPED: frozenset(),
}


@dataclass(slots=True)
class StreamStateMachine:
    """One stream's state, and since when.

    Example:
        >>> machine = StreamStateMachine(StreamState.CONNECTING, since=0.0)
        >>> machine.transition(StreamState.LIVE, 1.5)
        >>> machine.state, machine.since
        (<StreamState.LIVE: 'live'>, 1.5)

    Attributes:
        state: The present state.
        since: When the state began, seconds on a clock that never jumps.
        why: Reason for the state, for people; empty where all is well.
        reconnects: Times that the stream had to be opened again.
    """

    state: StreamState
    since: float
    why: str = ""
    reconnects: int = 0

    def transition(self, to: StreamState, now: float, why: str = "") -> None:
        """Enters another state.

        Raises:
            ValueError: The state cannot follow the present one.
        """
        if to not in _NEXT[self.state]:
            raise ValueError(f"a stream that is {self.state} cannot become {to}")
        if to is StreamState.RECONNECTING:
            self.reconnects += 1
        # Between attempts, the reason stays that of the last failure.
        self.why = self.why if to is StreamState.CONNECTING else why
        self.state, self.since = to, now


@dataclass(slots=True)
class Backoff:
    """Pauses between attempts that double up to a limit, with jitter.

    Attributes:
        longest_s: The limit, seconds.
        chance: Returns a random number from 0 to 1.
    """

    longest_s: float
    chance: Callable[[], float] = random.random
    _failures: int = field(default=0)

    def failed(self, live_s: float = 0.0) -> float:
        """The pause after a failure, seconds.

        Args:
            live_s: How long the stream had been live before the failure.
        """
        if live_s >= _RECOVERED_S:
            self._failures = 0
        # The exponent is bounded: a camera may be away for a year.
        pause_s = _FIRST_PAUSE_S * _FACTOR ** min(self._failures, 30)
        pause_s = min(self.longest_s / (1.0 + _JITTER), pause_s)
        self._failures += 1
        return pause_s * (1.0 - _JITTER + 2.0 * _JITTER * self.chance())
