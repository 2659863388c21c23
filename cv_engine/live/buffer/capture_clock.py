"""When a live frame was taken: a steady time for measuring stays, and UTC for reporting them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

SENDER_REPORTS = "sender reports"
ARRIVAL = "arrival"
WRONG_CLOCK = f"{ARRIVAL} (the camera's clock is wrong)"

# A frame may come later than its timestamp says, by network jitter; beyond so many seconds
# the stream has paused or its clock was set, and its time is tied to arrival times again.
_LATE_S = 2.0
# How much slower a camera's clock may run than ours, as a share: crystals differ by 100 parts in a
# million, cheap ones by more.
_DRIFT = 1e-3
# A camera whose clock differs by more than this from ours is not believed.
_CREDIBLE_S = 60.0
# Changes of the difference between steady time and UTC below this are noise.
_SAME_S = 0.5
# The quickest of some frames takes at most so long from exposure to arrival: street cameras encode
# without frames that wait for later ones, within a few frames.
LEAST_DELAY_S = 0.5
_REPORTS = 32  # key frames with a report: half a minute or more


class CaptureClock:
    """One camera's clock.

    Steady seconds look like seconds since 1970, increase from frame to frame and never jump,
    whatever is done to the clocks of machine and camera: stays are measured in them. ``utc``
    converts them to UTC.

    Args:
        wall: The machine's clock, seconds since 1970; may jump.
        monotonic: A clock of the machine that never jumps.

    Attributes:
        shift_s: UTC less steady time, seconds.
        basis: What UTC is based on: `SENDER_REPORTS`, `ARRIVAL` or `WRONG_CLOCK`; empty before the
            first frame.
        delay_s: How long the last frame was in transit, seconds; 0 where that is unknown.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shift_s = 0.0
        self.basis = ""
        self.delay_s = 0.0
        self._wall = wall
        self._monotonic = monotonic
        self._origin_s = wall() - monotonic()
        self._offset_s: float | None = None  # steady time less the stream's own
        self._last_s = float("-inf")
        self._last_media_s = 0.0
        self._ahead_s: deque[float] = deque(maxlen=_REPORTS)

    @property
    def ahead_s(self) -> float | None:
        """The camera's clock less this machine's, by its latest sender reports, seconds.

        A frame is taken before it arrives, so the true difference lies between this value and
        `LEAST_DELAY_S` more, where one of the frames came as quickly as cameras send them. ``None``
        where the camera sends no reports.
        """
        return max(self._ahead_s, default=None)

    def resume(self, shift_s: float, last_s: float) -> None:
        """Continues the steady time of an earlier run.

        Args:
            shift_s: ``shift_s`` of that run.
            last_s: Last steady time of that run; if the machine's clock has been set back since,
                time continues from there.
        """
        wall_s = self._wall()
        now_s = max(wall_s - shift_s, last_s)
        self._origin_s = now_s - self._monotonic()
        # Exactly as before, where possible: the start of a present stay must not move, not even by
        # a millionth of a second, or the stay would be another finding.
        self.shift_s = shift_s if now_s > last_s else wall_s - last_s
        self._last_s = last_s

    def connected(self) -> None:
        """A new connection begins: its clock has another zero."""
        self._offset_s = None
        self.basis = ""
        self._ahead_s.clear()

    def now(self) -> float:
        """The present steady time, seconds."""
        return self._origin_s + self._monotonic()

    def place(self, media_s: float, arrived_s: float, sent_at: float | None) -> float:
        """The steady time at which a frame was taken.

        Args:
            media_s: Time of the frame on the stream's clock, seconds.
            arrived_s: When the frame arrived, seconds on the monotonic clock.
            sent_at: When the frame was taken by the camera's own clock, seconds since 1970;
                ``None`` where nothing more is known than before.

        Returns:
            Steady seconds, later than for the frame before.
        """
        arrival_s = self._origin_s + arrived_s
        steady_s = max(self._aligned(media_s, arrival_s), self._last_s + 1e-3)
        self._last_s, self._last_media_s = steady_s, media_s
        self._set_shift(steady_s, sent_at)
        return steady_s

    def _aligned(self, media_s: float, arrival_s: float) -> float:
        """Spaced as the stream says, and as early as its quickest frames arrive."""
        seen_s = arrival_s - media_s
        if self._offset_s is None or seen_s > self._offset_s + _LATE_S:
            self._offset_s = seen_s
        else:
            passed_s = max(0.0, media_s - self._last_media_s)
            self._offset_s = min(seen_s, self._offset_s + _DRIFT * passed_s)
        return media_s + self._offset_s

    def _set_shift(self, steady_s: float, sent_at: float | None) -> None:
        if sent_at is None and self.basis == SENDER_REPORTS:
            return  # the last report still holds
        arrived_at = self._wall() - self._monotonic() - self._origin_s + steady_s
        known_wrong = sent_at is None and self.basis == WRONG_CLOCK
        self.basis, self.delay_s = WRONG_CLOCK if known_wrong else ARRIVAL, 0.0
        taken_at = arrived_at
        if sent_at is not None:
            self._ahead_s.append(sent_at - arrived_at)
        if sent_at is not None and abs(sent_at - arrived_at) <= _CREDIBLE_S:
            self.basis, self.delay_s = SENDER_REPORTS, max(0.0, arrived_at - sent_at)
            taken_at = sent_at
        elif sent_at is not None:
            self.basis = WRONG_CLOCK
        if abs(taken_at - steady_s - self.shift_s) > _SAME_S:
            self.shift_s = taken_at - steady_s

    def utc(self, steady_s: float) -> datetime:
        """UTC of a steady time."""
        return datetime.fromtimestamp(steady_s + self.shift_s, UTC)
