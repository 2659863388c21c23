"""A live camera's clock is measured by its reports, and by this machine's where it sends none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.evidence.clock_error import ARRIVAL, RTCP
from cv_engine.evidence.clock_record import ClockRecord
from cv_engine.live.buffer.capture_clock import LEAST_DELAY_S, CaptureClock
from cv_engine.live.worker.clock_watch import ClockWatch
from tests.live.encoded_frames import HandClock

_STEP_S = 2.0  # between key frames
CAMERA = "market"


def _watch(
    folder: Path, ahead_s: float | None, delays: list[float], machine_s: float | None = 0.02
) -> ClockRecord:
    """Watches a camera whose clock is so far ahead, and whose frames are so long on their way."""
    machine = HandClock()
    clock: CaptureClock = machine.capture()
    record = ClockRecord(folder)
    watch = ClockWatch(CAMERA, clock, record, lambda: machine_s)
    clock.connected()
    for number, delay_s in enumerate(delays):
        machine.pass_by(_STEP_S)
        sent_at = None if ahead_s is None else machine.wall - delay_s + ahead_s
        steady_s = clock.place(number * _STEP_S, machine.monotonic, sent_at)
        watch.sampled(steady_s)
    return record


def _latest(record: ClockRecord) -> tuple[str, float, float | None, float | None]:
    history = record.history(CAMERA, datetime(2100, 1, 1, tzinfo=UTC))
    if history is None:  # kept for a quarter of a year only
        history = record.history(CAMERA, datetime.fromtimestamp(HandClock().wall + 1000, UTC))
    assert history is not None
    latest = history.latest
    return latest.method, latest.error_s, latest.within_s, latest.reference_s


@given(
    ahead_s=st.floats(-50, 50),
    delays=st.lists(st.floats(0, 3), min_size=8, max_size=30),
    quickest_s=st.floats(0, LEAST_DELAY_S),
)
def test_the_true_error_lies_within_the_bounds(
    tmp_path_factory: pytest.TempPathFactory,
    ahead_s: float,
    delays: list[float],
    quickest_s: float,
) -> None:
    folder = tmp_path_factory.mktemp("clocks")
    record = _watch(folder, ahead_s, [quickest_s, *delays])
    method, error_s, within_s, reference_s = _latest(record)
    assert method == RTCP and within_s is not None and reference_s == 0.02
    assert abs(error_s - ahead_s) <= within_s + 0.01


def test_without_reports_the_time_of_arrival_is_what_counts(tmp_path: Path) -> None:
    method, error_s, within_s, _ = _latest(_watch(tmp_path, None, [0.1] * 10))
    assert (method, error_s, within_s) == (ARRIVAL, LEAST_DELAY_S / 2, LEAST_DELAY_S / 2)


def test_a_clock_that_is_not_believed_is_not_the_one_that_counts(tmp_path: Path) -> None:
    assert _latest(_watch(tmp_path, 7200.0, [0.1] * 10))[0] == ARRIVAL


def test_nothing_is_measured_before_some_reports_have_come(tmp_path: Path) -> None:
    record = _watch(tmp_path, 1.0, [0.1] * 3)
    assert record.history(CAMERA, datetime.fromtimestamp(HandClock().wall + 60, UTC)) is None


def test_a_machine_without_time_service_says_so(tmp_path: Path) -> None:
    assert _latest(_watch(tmp_path, 1.0, [0.1] * 10, None))[3] is None
