"""Rates of a period."""

from __future__ import annotations

from cv_engine.cases.statistics import Figures


def test_the_published_example_gives_the_published_rates() -> None:
    month = Figures(received=1054, filed=996, due=972, settled=911, on_time=737)
    assert round(100 * (month.filing_rate or 0), 2) == 94.50
    assert round(100 * (month.closing_rate or 0), 2) == 93.72
    assert round(100 * (month.on_time_rate or 0), 2) == 75.82


def test_deferred_cases_are_not_counted_among_those_due() -> None:
    assert Figures(due=10, deferred=2, settled=8, on_time=4).closing_rate == 1
    assert Figures(due=10, deferred=2, settled=8, on_time=4).on_time_rate == 0.5


def test_without_cases_there_is_no_rate() -> None:
    nothing = Figures(due=3, deferred=3)
    rates = (nothing.filing_rate, nothing.closing_rate, nothing.on_time_rate, nothing.rework_rate)
    assert rates == (None, None, None, None)
