"""Findings that are filed together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    Event,
    Filed,
    Filter,
    Queue,
    QueueError,
    Role,
)
from cv_engine.cases.audit import audit
from cv_engine.cases.database.store import Store
from tests.cases.made import CORNER, NEXT_BOX, finding, located

_CHIEF = Actor("Chen", Role.SUPERVISOR)


def test_each_becomes_the_case_that_it_would_become_alone(queue: Queue) -> None:
    queue.file(finding(evidence="known"))
    found = [
        located(121.6, 29.8, source="a"),
        finding(),  # filed before
        finding(100, 500, box=(102.0, 100.0, 202.0, 180.0)),  # of the same stay
        finding(box=NEXT_BOX, attributes={"address": "中山路1号"}),
        located(121.6, 29.8, 50, source="b"),  # another camera's view of the first
        finding(kind="clutter", geometry=CORNER, confidence=0.5),
    ]
    assert queue.file_all(found) == [
        *(Filed(2, "new"), Filed(1, "known"), Filed(1, "joined")),
        # Numbers are given first to those that nothing else may belong to.
        *(Filed(4, "new"), Filed(2, "joined"), Filed(3, "new")),
    ]
    assert queue.file_all(found) == [Filed(number, "known") for number in (2, 1, 1, 4, 2, 3)]
    clutter = queue.get(3)
    assert (clutter.kind, clutter.place.geometry, clutter.confidence) == ("clutter", CORNER, 0.5)
    assert [entry.event for entry in queue.history(4)] == [Event.FILED]
    assert [case.id for case in queue.cases(Filter(text="中山路"))] == [4]


def test_a_finding_that_is_given_twice_is_filed_once(queue: Queue) -> None:
    assert queue.file_all([finding(), finding()]) == [Filed(1, "new"), Filed(1, "known")]
    assert queue.file_all([]) == []


def test_a_wrong_one_stops_all(queue: Queue) -> None:
    with pytest.raises(QueueError, match="zone"):
        queue.file_all([finding(), finding(zone=" ")])
    assert queue.count() == 0


def test_what_is_back_after_its_closing_is_filed_by_the_rule_of_its_kind(queue: Queue) -> None:
    queue.file(finding(kind="clutter"))
    queue.file(finding(kind="clutter", box=NEXT_BOX))
    for number in (1, 2):
        for action in (Action.CONFIRM, Action.DISPATCH, Action.HANDLE, Action.VERIFY, Action.CLOSE):
            queue.move(number, action, _CHIEF, to=Assignment("cleansing"))
    closed = [queue.get(number).result.ended_at for number in (1, 2)]
    soon, late = (
        replace(each, began=time + after, observed=time + after + timedelta(minutes=5))
        for each, time, after in zip(
            (finding(kind="clutter"), finding(kind="clutter", box=NEXT_BOX)),
            (time for time in closed if time is not None),
            (timedelta(hours=1), timedelta(days=2)),
            strict=True,
        )
    )
    assert queue.file_all([late, soon]) == [Filed(3, "new"), Filed(1, "reopened")]
    assert queue.get(3).attributes["earlier_case"] == 2


def test_the_histories_are_whole(where: str, queue: Queue) -> None:
    filed = queue.file_all([finding(1000 * n, 1000 * n + 300) for n in range(9)])
    assert [each.case_id for each in filed] == list(range(1, 10))
    store = Store(where)
    with store.snapshot() as connection:
        assert list(audit(connection)) == []
    store.close()
