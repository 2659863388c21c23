from __future__ import annotations

from pathlib import Path

from benchmarks.city.play import Month
from benchmarks.month import compare
from cv_engine.cases import Action, State


def test_the_statistics_of_some_days_equal_a_recount(tmp_path: Path) -> None:
    month = Month(tmp_path / "queue.db", tmp_path, seed=7, days=3)
    month.play()
    result = compare(month)
    assert (result["wrong_figures"], result["problems"]) == (0, 0)
    assert result["cases"] > 100
    assert result["findings_filed_again"] > 50
    month.queue.close()


def test_a_step_that_was_not_counted_is_found(tmp_path: Path) -> None:
    month = Month(tmp_path / "queue.db", tmp_path, seed=7, days=2)
    month.play()
    number = next(n for n, known in month.known.items() if known.state is State.REPORTED)
    month.queue.move(number, Action.REJECT, "Li", "behind the observer's back")
    assert compare(month)["wrong_figures"] > 0
    month.queue.close()
