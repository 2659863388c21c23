"""A sample of the changed sessions of `benchmarks.oddities.fuzz_rtsp`."""

from __future__ import annotations

from benchmarks.oddities.fuzz_rtsp import fuzz

_SESSIONS = 300
_MOST_MB = 100


def test_no_changed_session_breaks_the_reader() -> None:
    outcome = fuzz(_SESSIONS, seed=1)
    assert outcome.crashes == []
    assert outcome.frames > _SESSIONS
    assert outcome.ends["StreamError"] > 0
    assert outcome.memory_mb < _MOST_MB
