from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.video.timeline import Timeline

MS = Fraction(1, 1000)
STEP = 40


def fresh(zero: int | None = None) -> Timeline:
    return Timeline(MS, STEP, zero)


Stamp = tuple[int | None, int | None]


@pytest.mark.parametrize(
    ("stamps", "shown", "repair_text"),
    [
        ([(0, 0), (40, 40), (80, 80)], [0, 40, 80], None),
        ([(1400, 1360), (1440, 1400)], [0, 40], None),
        ([(0, 0), (120, 40), (40, 80), (80, 120)], [0, 120, 40, 80], None),
        ([(0, None), (40, None), (80, None)], [0, 40, 80], None),
        ([(None, 0), (None, 40), (None, 80)], [0, 40, 80], None),
        ([(None, None), (None, None), (None, None)], [0, 40, 80], "no timestamp"),
        ([(0, 0), (None, None), (80, 80)], [0, 40, 80], "no timestamp"),
        ([(9000, 9000), (9040, 9040), (0, 0), (40, 40)], [0, 40, 80, 120], "fall back"),
        ([(0, 0), (40, 40), (9_000_040, 9_000_040)], [0, 40, 80], "jump ahead"),
        ([(0, 0), (40, 40), (600_040, 600_040)], [0, 40, 600_040], None),
        ([(0, 0), (99_000, 40), (80, 80)], [0, 40, 80], "far from the decoding time"),
        ([(None, 0), (None, 40), (None, 40), (None, 120)], [0, 40, 41, 120], "repeat"),
    ],
)
def test_repairs(stamps: list[Stamp], shown: list[int], repair_text: str | None) -> None:
    timeline = fresh()
    placed = [timeline.seconds(timeline.repair(pts, dts, 0)[0]) for pts, dts in stamps]
    assert placed == pytest.approx([ms / 1000 for ms in shown])
    whats = [repair.what for repair in timeline.repairs]
    assert (repair_text is None and not whats) or (
        repair_text is not None and repair_text in whats[0]
    )


def test_seconds_and_ticks_are_inverse() -> None:
    timeline = Timeline(Fraction(1001, 30000), 1, zero=17)
    assert all(timeline.ticks(timeline.seconds(tick)) == tick for tick in range(-5, 90_000, 997))


stamp = st.one_of(st.none(), st.integers(-(10**9), 10**9))


@given(st.lists(st.tuples(stamp, st.integers(-(10**9), 10**9), st.integers(0, 5000))))
def test_decoding_times_always_rise(stamps: list[tuple[int | None, int, int]]) -> None:
    timeline = fresh()
    repaired = [timeline.repair(pts, dts, duration)[1] for pts, dts, duration in stamps]
    assert all(a < b for a, b in pairwise(repaired))
    assert all((b - a) <= 3_600_000 for a, b in pairwise(repaired))


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 10**9)), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_resets_do_not_drift(pieces: list[tuple[int, int]], keep: int) -> None:
    """Each piece keeps its own length, and one picture lies between two."""
    timeline = fresh()
    placed: list[int] = []
    raw_last: int | None = None
    for count, start in pieces:
        if raw_last is not None and -1000 <= start - raw_last <= 3_600_000:
            start = raw_last - 2000 - count  # a real reset
        for number in range(count):
            raw_last = start + number * STEP
            placed.append(timeline.repair(raw_last, raw_last, STEP if keep > 1 else 0)[0])
    assert [b - a for a, b in pairwise(placed)] == [STEP] * (len(placed) - 1)


@given(st.lists(st.integers(-400, 400), min_size=2, max_size=300))
def test_jitter_does_not_drift(jitter: list[int]) -> None:
    """A clock that jitters by less than half a second stays that close to the true time."""
    timeline = fresh(zero=0)
    for number, wavers in enumerate(jitter):
        true_ms = number * STEP
        repaired, _ = timeline.repair(None, true_ms + wavers, 0)
        assert abs(repaired - true_ms) <= 400 + len(jitter)
