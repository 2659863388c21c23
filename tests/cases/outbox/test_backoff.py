"""Pauses between attempts: exponential, bounded, and never the same for all."""

from __future__ import annotations

import random

import hypothesis.strategies as st
from hypothesis import given

from cv_engine.cases.outbox.backoff import Backoff
from cv_engine.cases.outbox.relay import EVENT_BACKOFF, MOST_ATTEMPTS


@given(st.integers(-5, 10_000), st.integers())
def test_a_pause_lies_between_half_of_its_step_and_the_whole(failures: int, seed: int) -> None:
    backoff = Backoff(first_s=5, longest_s=3600)
    step_s = min(5 * 2 ** (max(failures, 1) - 1), 3600)
    assert step_s / 2 <= backoff.pause_s(failures, random.Random(seed)) <= step_s


def test_an_event_is_tried_over_a_whole_weekend() -> None:
    class Earliest(random.Random):
        def random(self) -> float:
            return 0.0

    pauses = [EVENT_BACKOFF.pause_s(n, Earliest()) for n in range(1, MOST_ATTEMPTS)]
    friday_to_monday_h = 62
    assert sum(pauses) / 3600 > friday_to_monday_h


def test_what_failed_together_is_not_tried_again_together() -> None:
    rng = random.Random(3)
    assert len({round(EVENT_BACKOFF.pause_s(4, rng), 3) for _ in range(20)}) == 20
