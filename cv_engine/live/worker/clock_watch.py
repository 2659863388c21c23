"""Measures the error of one camera's clock, again and again, and keeps it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from cv_engine.evidence.clock_error import ARRIVAL, RTCP, ClockError
from cv_engine.evidence.clock_record import ClockRecord
from cv_engine.evidence.errors import EvidenceError
from cv_engine.live.buffer.capture_clock import LEAST_DELAY_S, SENDER_REPORTS, CaptureClock

# Between two measurements that are offered to the record, which keeps one an hour, seconds.
_EVERY_S = 60.0
_FIRST_S = 10.0  # after the first sample: some reports have come, and no stay has been long enough


class ClockWatch:
    """Measures the clock by which one camera's pictures are timed.

    Where the camera's sender reports are believed, that is the camera's clock, compared with this
    machine's. Otherwise frames are timed when they arrive, by this machine's clock, and only the
    time that they were in transit is unknown.

    Args:
        camera: The camera's name.
        clock: The camera's clock.
        record: Keeps the measurements.
        machine_s: Returns the largest error of this machine's clock, seconds, if it is known.
    """

    def __init__(
        self,
        camera: str,
        clock: CaptureClock,
        record: ClockRecord,
        machine_s: Callable[[], float | None],
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._record = record
        self._machine_s = machine_s
        self._next_s: float | None = None

    def sampled(self, steady_s: float) -> None:
        """Measures, where it is time to; call after each sample.

        Args:
            steady_s: Steady time of the sample.
        """
        if self._next_s is None:
            self._next_s = steady_s + _FIRST_S
        if steady_s < self._next_s or not self._clock.basis:
            return
        self._next_s = steady_s + _EVERY_S
        try:
            self._record.note(self._camera, self._measured(self._clock.utc(steady_s)))
        except EvidenceError as error:
            structlog.get_logger(__name__).warning(
                "the error of a camera's clock cannot be kept",
                camera=self._camera,
                reason=str(error),
            )

    def _measured(self, at: datetime) -> ClockError:
        half_s = LEAST_DELAY_S / 2
        ahead_s, machine_s = self._clock.ahead_s, self._machine_s()
        if self._clock.basis == SENDER_REPORTS and ahead_s is not None:
            error = ClockError(ahead_s + half_s, half_s, RTCP, at, machine_s)
        else:  # the machine's time of arrival is that of the frame, or later
            error = ClockError(half_s, half_s, ARRIVAL, at, machine_s)
        return error
