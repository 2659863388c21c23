"""A sample of the packages that `benchmarks.oddities.fuzz_evidence` tampers with."""

from __future__ import annotations

from benchmarks.oddities.fuzz_evidence import fuzz


def test_no_package_that_was_tampered_with_is_called_intact() -> None:
    outcome = fuzz(40, seed=1)
    assert outcome.faults == {}
    assert 0 < outcome.row()["intact"] < 20
