"""Watching that is killed, stopped and started again in the middle of stays files each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.program import Cut
from benchmarks.killed import run
from tests.live.streams import cameras

pytestmark = pytest.mark.real_time

_CUTS: tuple[Cut, ...] = ("program", "worker", "program")
_LONGEST_LIFE_S = 20.0
# With this seed the first kill comes after 19 seconds, so that stays are known by then.
_SEED = 27


def test_no_stay_is_lost_and_none_is_filed_twice(tmp_path: Path) -> None:
    with cameras(tmp_path / "server") as fleet:
        outcome = run(tmp_path, fleet, _CUTS, _LONGEST_LIFE_S, _SEED, {"checkpoint_s": 1.0})
    assert outcome.filed == {1: outcome.crates}, outcome.wrong
    assert outcome.wrong == []
    # Some of them came while they were watched; the others begin when they are first seen.
    assert outcome.carried >= 2
