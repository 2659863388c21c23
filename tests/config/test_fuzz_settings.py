"""A sample of the files that `benchmarks.oddities.fuzz_settings` reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.oddities.fuzz_settings import Outcome, fuzz_configs, fuzz_zones

# Time and memory depend on what else runs in this process and on this machine.
_WHATEVER_RUNS = ("tracebacks", "without_place")


@pytest.mark.parametrize("fuzz", [fuzz_configs, fuzz_zones])
def test_mutated_files_are_used_or_refused_with_their_place(
    fuzz: Callable[[int, int], Outcome],
) -> None:
    outcome = fuzz(60, 1)
    faults = {kind: lines for kind, lines in outcome.faults.items() if kind in _WHATEVER_RUNS}
    assert faults == {}
    assert outcome.files["refused"] > 20
    assert outcome.files.total() == 60
