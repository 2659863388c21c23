"""Stills prove that a limit has passed, at whatever intervals pictures were taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.evidence.media.still import Still
from cv_engine.pipeline.moments import Moments

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
_IMAGE = np.zeros((8, 8, 3), np.uint8)


def _at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def _shown(moments: Moments, interval_s: float, *, between: bool) -> list[Still]:
    """The stills from a camera with a picture every ``interval_s``, and one when last seen."""
    pictures = [START, moments.seen]
    pictures += [_at(n * interval_s) for n in range(1, 1 + int(400 / interval_s))]
    pictures = sorted({each for each in pictures if each <= moments.seen})
    return [
        Still(
            role, max(p for p in pictures if p <= time), _IMAGE, (0, 0, 4, 4), sv.Detections.empty()
        )
        for time, roles in moments.candidates(between=between).items()
        for role in roles
    ]


@given(
    limit_s=st.floats(1, 120),
    longer_s=st.floats(0, 200),
    interval_s=st.floats(0.04, 30),
    between=st.booleans(),
)
def test_a_still_shows_the_thing_at_the_limit_or_after_it(
    limit_s: float, longer_s: float, interval_s: float, between: bool
) -> None:
    moments = Moments.of(START, _at(limit_s + longer_s), limit_s)
    stills = moments.proven(_shown(moments, interval_s, between=between))
    late = [still for still in stills if still.role in ("limit", "end")]
    assert max(still.time for still in late) >= moments.limit
    assert all(still.time >= moments.limit for still in late if still.role == "limit")
    assert any(still.role == "start" for still in stills)
    assert all(moments.began <= still.time <= moments.seen for still in stills)
    if longer_s > 2.1:
        assert any(still.role == "end" for still in stills)


def test_a_stay_without_a_known_limit_shows_its_end() -> None:
    moments = Moments.of(START, _at(30), None)
    assert moments.limit == moments.seen
