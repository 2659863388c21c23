"""When a frame was taken: steady for measuring, UTC for reporting, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.buffer.capture_clock import ARRIVAL, SENDER_REPORTS, WRONG_CLOCK, CaptureClock
from tests.live.encoded_frames import BEGAN_S, HandClock

_HOUR_S = 3600.0
_STEP_S = 0.04  # 25 frames per second


def _watch(
    clock: CaptureClock,
    machine: HandClock,
    seconds: float,
    *,
    media_s: float = 0.0,
    rate: float = 1.0,
    sent: float | None = None,
) -> list[float]:
    """Frames that arrive as they are taken; ``rate`` is the speed of the camera's clock.

    Args:
        sent: The camera's clock less the machine's, seconds.
    """
    placed = []
    for number in range(round(seconds / _STEP_S)):
        sent_at = None if sent is None else machine.wall + sent
        media = media_s + number * _STEP_S * rate
        placed.append(clock.place(media, machine.monotonic, sent_at))
        machine.pass_by(_STEP_S)
    return placed


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("picture"),
            st.floats(-10, 10),  # media time advances by
            st.floats(0, 5),  # arrives so long after the one before
            st.one_of(st.none(), st.floats(-100, 100)),  # error of its sender report
        ),
        st.tuples(st.just("connected"), st.floats(-1e5, 1e5), st.floats(0, 100), st.none()),
        st.tuples(st.just("set"), st.floats(-1e5, 1e5), st.floats(0, 1), st.none()),
    ),
    max_size=60,
)


@given(_EVENTS)
def test_steady_time_always_increases(
    events: list[tuple[str, float, float, float | None]],
) -> None:
    machine = HandClock()
    clock = machine.capture()
    media_s, last_s = 0.0, float("-inf")
    for what, amount, later_s, sent in events:
        machine.pass_by(later_s)
        if what == "connected":
            clock.connected()
            media_s = amount
        elif what == "set":
            machine.wall += amount
        else:
            media_s += amount
            sent_at = None if sent is None else machine.wall + sent
            steady_s = clock.place(media_s, machine.monotonic, sent_at)
            assert steady_s > last_s
            # No frame is taken after its arrival; up to 2 ms are added to keep times increasing.
            assert steady_s <= max(clock.now(), last_s) + 2e-3
            last_s = steady_s


@pytest.mark.parametrize("jump_s", [3 * _HOUR_S, -3 * _HOUR_S, 86400 * 400.0, -86400 * 400.0])
@pytest.mark.parametrize("reports", [False, True])
def test_setting_the_clock_changes_no_stay_length_but_all_reported_times(
    jump_s: float, reports: bool
) -> None:
    machine = HandClock()
    clock = machine.capture()
    before = _watch(clock, machine, 20, sent=0.0 if reports else None)
    assert clock.utc(before[-1]) == pytest.approx(_utc(machine.wall), abs=timedelta(seconds=0.6))
    machine.wall += jump_s
    # The camera's clock is right both times: it is set together with ours.
    after = _watch(clock, machine, 20, media_s=20, sent=0.0 if reports else None)
    stay_s = after[-1] - before[0]
    assert stay_s == pytest.approx(40 - _STEP_S, abs=0.01)
    assert clock.utc(after[-1]) == pytest.approx(_utc(machine.wall), abs=timedelta(seconds=0.6))
    # The whole stay is reported by the clock as it is now.
    reported = clock.utc(after[-1]) - clock.utc(before[0])
    assert reported.total_seconds() == pytest.approx(stay_s, abs=1e-5)


def test_sender_reports_give_the_transit_time() -> None:
    machine = HandClock()
    clock = machine.capture()
    (steady_s,) = _watch(clock, machine, _STEP_S, sent=-3.0)
    assert clock.basis == SENDER_REPORTS
    assert clock.delay_s == pytest.approx(3.0, abs=0.05)
    assert clock.utc(steady_s) == pytest.approx(_utc(BEGAN_S - 3.0), abs=timedelta(milliseconds=50))
    # There is no report between key frames: the last one holds.
    _watch(clock, machine, 2, media_s=_STEP_S)
    assert clock.basis == SENDER_REPORTS
    assert clock.delay_s == pytest.approx(3.0, abs=0.05)
    # A new connection may be to a camera without sender reports.
    clock.connected()
    _watch(clock, machine, 2)
    assert clock.basis == ARRIVAL
    assert clock.delay_s == 0.0


@pytest.mark.parametrize("camera_s", [0.0, 2_208_988_800.0, BEGAN_S - _HOUR_S, BEGAN_S + 61])
def test_a_camera_clock_that_is_far_off_is_not_used(camera_s: float) -> None:
    machine = HandClock()
    clock = machine.capture()
    for number in range(50):
        sent_at = camera_s + number * _STEP_S if number % 10 == 0 else None
        steady_s = clock.place(number * _STEP_S, machine.monotonic, sent_at)
        assert clock.basis == WRONG_CLOCK, "also between key frames, which alone have reports"
        assert clock.utc(steady_s) == pytest.approx(_utc(machine.wall), abs=timedelta(seconds=0.6))
        machine.pass_by(_STEP_S)
    # Once the clock has been set, it is used.
    clock.place(50 * _STEP_S, machine.monotonic, machine.wall - 0.2)
    assert clock.basis == SENDER_REPORTS


@pytest.mark.parametrize("rate", [0.999, 1.0, 1.001])
def test_a_camera_clock_that_runs_fast_or_slow_stays_aligned(rate: float) -> None:
    machine = HandClock()
    clock = machine.capture()
    placed: list[float] = []
    for second in range(0, 3600, 4):  # a key frame every four seconds, for an hour
        placed.append(clock.place(second * rate, machine.monotonic, None))
        machine.pass_by(4.0)
    assert placed[-1] - placed[0] == pytest.approx(3596, abs=0.1)
    assert clock.now() - 4.0 - placed[-1] == pytest.approx(0, abs=0.1)


@given(st.lists(st.floats(0, 1.5), min_size=50, max_size=50))
def test_network_jitter_does_not_change_the_spacing(late: list[float]) -> None:
    """Spaced as the camera says, once one frame has come without delay."""
    clock = HandClock().capture()
    placed = [
        clock.place(number * 1.0, 1000.0 + number + late_s, None)
        for number, late_s in enumerate([0.0, *late])
    ]
    for number, steady_s in enumerate(placed):
        # Up to the allowed drift, a thousandth of the elapsed time.
        assert steady_s - placed[0] == pytest.approx(number, abs=0.06)


def test_a_stream_that_paused_is_aligned_to_arrival_again() -> None:
    machine = HandClock()
    clock = machine.capture()
    _watch(clock, machine, 4)
    machine.pass_by(100)  # the camera's clock stands still meanwhile
    (steady_s,) = _watch(clock, machine, _STEP_S, media_s=4)
    assert steady_s == pytest.approx(clock.now() - _STEP_S, abs=1e-3)


@pytest.mark.parametrize(
    ("off_s", "wall_jump_s"), [(60.0, 0.0), (60.0, 7200.0), (60.0, -7200.0), (0.0, -30.0)]
)
def test_steady_time_continues_after_a_restart(off_s: float, wall_jump_s: float) -> None:
    machine = HandClock()
    first = machine.capture()
    last_s = _watch(first, machine, 20)[-1]
    machine.pass_by(off_s)
    machine.wall += wall_jump_s
    machine.monotonic = 5.0  # the machine was restarted as well
    second = machine.capture()
    second.resume(first.shift_s, last_s)
    assert second.now() >= last_s
    if wall_jump_s >= 0:  # setting the clock ahead looks like elapsed time
        assert second.now() - last_s == pytest.approx(off_s + wall_jump_s, abs=0.1)
    placed = _watch(second, machine, 20)
    assert placed[0] > last_s
    assert placed[-1] - placed[0] == pytest.approx(20 - _STEP_S, abs=0.01)
    assert second.utc(placed[-1]) == pytest.approx(_utc(machine.wall), abs=timedelta(seconds=0.6))


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_utc_of_a_past_time_is_the_same_after_a_restart(shift_s: float, off_s: float) -> None:
    """Otherwise the same stay would be another finding."""
    machine = HandClock()

    def wall() -> float:  # a clock advances while it is read
        machine.wall += 1e-5
        return machine.wall

    clock = CaptureClock(wall=wall, monotonic=lambda: machine.monotonic)
    last_s = machine.wall - shift_s
    began = _utc(last_s - 100 + shift_s)
    machine.pass_by(off_s + 1.0)
    clock.resume(shift_s, last_s)
    assert clock.utc(last_s - 100) == began
