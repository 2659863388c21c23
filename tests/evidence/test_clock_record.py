"""The measured errors of clocks are kept, and what is kept says how long a clock was right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.evidence.clock_error import RTCP, ClockError, ClockHistory, clock_line
from cv_engine.evidence.clock_record import ClockRecord
from cv_engine.evidence.machine_clock import machine_error_s

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _error(at: datetime, error_s: float = 0.2) -> ClockError:
    return ClockError(error_s, 0.25, RTCP, at, 0.01)


@pytest.fixture
def record(tmp_path: Path) -> ClockRecord:
    return ClockRecord(tmp_path / "clocks")


def test_one_measurement_an_hour_is_kept_for_each_camera(record: ClockRecord) -> None:
    for minutes in range(0, 24 * 60, 1):
        record.note("west", _error(NOW + timedelta(minutes=minutes)))
    record.note("east", _error(NOW, 3.0))
    west = record.history("west", NOW + 30 * HOUR)
    assert west is not None and west.measurements == 24
    assert west.days == pytest.approx(23 / 24) and west.widest_gap == HOUR
    assert west.largest_s == pytest.approx(0.2 + 0.25 + 0.01)
    east = record.history("east", NOW + HOUR)
    assert east is not None and east.latest.error_s == 3.0
    assert record.history("none", NOW) is None


def test_a_clock_that_was_set_is_kept_at_once(record: ClockRecord) -> None:
    record.note("west", _error(NOW))
    assert not record.note("west", _error(NOW + timedelta(minutes=1)))
    assert record.note("west", _error(NOW + timedelta(minutes=2), 40.0))
    assert not record.note("west", _error(NOW - HOUR)), "the machine's own clock was set back"
    history = record.history("west", NOW + HOUR)
    assert history is not None and history.largest_s > 40


def test_a_package_is_not_judged_by_later_measurements(record: ClockRecord) -> None:
    record.note("west", _error(NOW))
    record.note("west", _error(NOW + 2 * HOUR, 50.0))
    history = record.history("west", NOW + HOUR)
    assert history is not None and history.latest.error_s == 0.2


def test_an_unfinished_line_is_left_out(record: ClockRecord, tmp_path: Path) -> None:
    record.note("west", _error(NOW))
    (path,) = (tmp_path / "clocks").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"error_s": 1')
    history = record.history("west", NOW + HOUR)
    assert history is not None and history.measurements == 1


def test_old_measurements_are_dropped(record: ClockRecord, tmp_path: Path) -> None:
    for day in range(0, 600, 5):
        record.note("west", _error(NOW + timedelta(days=day)))
    (path,) = (tmp_path / "clocks").glob("*.jsonl")
    assert len(path.read_bytes().splitlines()) < 45
    history = record.history("west", NOW + timedelta(days=600))
    assert history is not None and 80 < history.days < 93


@given(
    st.builds(
        ClockError,
        st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
        st.none() | st.floats(0, 1e3).map(lambda x: round(x, 3)),
        st.just(RTCP),
        st.none() | st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC)),
        st.none() | st.floats(0, 10).map(lambda x: round(x, 4)),
    )
)
def test_a_measurement_reads_as_it_was_written(error: ClockError) -> None:
    assert ClockError.of_json(error.as_json()) == error
    assert ClockHistory.of([error]) is not None
    assert error.largest_s >= abs(error.error_s)


@pytest.mark.parametrize("row", [{}, {"error_s": "x"}, {"error_s": None, "at": None}])
def test_malformed_rows_are_reported(row: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ClockError.of_json(row)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "error of the camera's clock unknown"),
        (_error(NOW, -0.04), "camera's clock -0.0 s ± 0.2 s (RTCP sender reports)"),
        (ClockError(0.4, None, "as told", None), "camera's clock +0.4 s (as told)"),
        (ClockError(3.0, 0.07, "ONVIF", NOW), "camera's clock +3.0 s ± 0.070 s (ONVIF)"),
    ],
)
def test_captions_say_the_error(error: ClockError | None, line: str) -> None:
    assert clock_line(error) == line


def test_the_machine_says_how_well_its_clock_is_kept() -> None:
    found = machine_error_s()
    assert found is None or 0 <= found < 100
