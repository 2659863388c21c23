"""Any order and any repetition of the same findings ends in the same cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from cv_engine.cases import Filter, Queue, open_queue
from tests.cases.filing.worlds import (
    Thing,
    elsewhere,
    expected,
    is_whole,
    outcome,
    sets,
    steps,
    take,
)

_ORDERS = st.lists(st.integers(0, 1000), max_size=25)
_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.sqlite") as queue:
        yield queue


@settings(max_examples=60, deadline=None, suppress_health_check=_QUIET)
@given(sets(6), _ORDERS)
def test_the_cases_are_the_problems_whatever_the_order(
    sqlite: Queue, found: list[Thing], order: list[int]
) -> None:
    _check(sqlite, found, order)


@settings(max_examples=15, deadline=None, suppress_health_check=_QUIET)
@given(sets(5), _ORDERS)
def test_the_cases_are_the_problems_on_a_server_too(
    server: Queue, found: list[Thing], order: list[int]
) -> None:
    _check(server, found, order)


@pytest.fixture
def server(postgresql_url: str) -> Iterator[Queue]:
    with open_queue(postgresql_url) as queue:
        yield queue


@settings(max_examples=40, deadline=None, suppress_health_check=_QUIET)
@given(sets(6), st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 5))
def test_the_cases_are_the_problems_when_findings_are_filed_together(
    sqlite: Queue, found: list[Thing], order: list[int], at_once: int
) -> None:
    _check_together(sqlite, found, order, at_once)


@settings(max_examples=15, deadline=None, suppress_health_check=_QUIET)
@given(sets(5), st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 5))
def test_the_cases_are_the_problems_when_filed_together_on_a_server(
    server: Queue, found: list[Thing], order: list[int], at_once: int
) -> None:
    _check_together(server, found, order, at_once)


def _check_together(queue: Queue, found: list[Thing], order: list[int], at_once: int) -> None:
    moved = [replace(each, missed=timedelta(0), seen=None, gone=None) for each in elsewhere(found)]
    filed = [moved[place % len(moved)].finding for place in order]
    filed += [each.finding for each in moved]
    for start in range(0, len(filed), at_once):
        queue.file_all(filed[start : start + at_once])
    assert {row[0] for row in outcome(queue, moved)} == expected(moved)
    for source in {each.finding.source for each in moved}:
        assert all(is_whole(queue, case.id) for case in queue.cases(Filter(source=source)))


def _check(queue: Queue, found: list[Thing], order: list[int]) -> None:
    moved = elsewhere(found)
    for step in steps(moved, order):
        take(queue, step)
    first = outcome(queue, moved)
    assert {row[0] for row in first} == expected(moved)
    for row in first:  # the facts are those of the findings
        members = [each for each in moved if each.finding.key in row[0]]
        finals = [each.final() for each in members]
        last = max(each.observed for each in finals)
        assert row[1:3] == (min(each.began for each in finals), last)
        assert row[3] == (last if any(each.gone_at == last for each in finals) else None)
        assert row[4] == max(each.finding.confidence for each in members)
        if row[5] is not None:  # buildings of 30 square metres, some of them found several times
            grounds = {str(each.finding.place.geometry) for each in members}
            assert row[5] == pytest.approx(30 * len(grounds), rel=0.01)
    for source in {each.finding.source for each in moved}:
        assert all(is_whole(queue, case.id) for case in queue.cases(Filter(source=source)))
