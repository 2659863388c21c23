"""Merging and splitting by hand."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from cv_engine.cases import (
    Action,
    Actor,
    ConflictError,
    Event,
    Filed,
    Filter,
    ForbiddenError,
    Queue,
    QueueError,
    Role,
    State,
)
from cv_engine.cases.dispatch.attachment import Attachment
from tests.cases.filing.worlds import is_whole
from tests.cases.made import CAR_BOX, NEXT_BOX, at, finding, ground, located, site

_CAR, _BIKE = finding(evidence="car"), finding(10, 400, box=NEXT_BOX, evidence="bike")
_MORE = finding(20, 500, box=(101.0, 100.0, 201.0, 180.0), confidence=0.9, evidence="more")
_CHIEF = Actor("Chen", Role.SUPERVISOR)


def test_an_officer_merges_two_cases_of_one_problem(queue: Queue) -> None:
    queue.file(_CAR)
    queue.file(_BIKE)
    queue.confirm(1, "Li")
    case = queue.merge(2, 1, "Li", "one pile", version=1)
    assert (case.id, case.state, case.observed) == (1, State.CONFIRMED, at(400))
    assert queue.evidence(1) == ["car", "bike"]
    merged = queue.get(2)
    assert (merged.state, merged.result.merged_into) == (State.MERGED, 1)
    for number, event in ((1, Event.MERGED), (2, Event.STATE)):
        entry = queue.history(number)[-1]
        assert (entry.event, entry.by, entry.note) == (event, "Li", "one pile")
        assert is_whole(queue, number)
    assert queue.file(_BIKE) == Filed(1, "known")


def test_a_case_is_split_and_both_have_the_facts_of_their_findings(queue: Queue) -> None:
    for each in (_CAR, _MORE):
        queue.file(each)
    new = queue.split(1, [_CAR.key], "Li", "two cars")
    assert (new.id, new.state, new.began, new.observed) == (2, State.REPORTED, at(0), at(300))
    assert (new.place, new.confidence, new.evidence) == (_CAR.place, 0.8, "car")
    left = queue.get(1)
    assert (left.began, left.observed, left.confidence) == (at(20), at(500), 0.9)
    assert (left.place, left.evidence) == (_MORE.place, "more")
    first, last = queue.history(2)[0], queue.history(1)[-1]
    assert (first.event, first.by, first.note) == (Event.FILED, "Li", "two cars")
    assert (first.data["split_from"], first.data["keys"]) == (1, [_CAR.key])
    assert (last.event, last.by, last.note) == (Event.SPLIT, "Li", "two cars")
    assert last.data == {"case": 2, "keys": [_CAR.key]}
    assert is_whole(queue, 1)
    assert is_whole(queue, 2)
    assert [each.key for each in queue.findings(2)] == [_CAR.key]


def test_a_decision_to_split_stands_when_more_is_found(queue: Queue) -> None:
    for each in (_CAR, _MORE):
        queue.file(each)
    queue.split(1, [_CAR.key], "Li", "two cars")
    again = finding(30, 600, box=CAR_BOX)
    assert queue.file(again) == Filed(2, "joined"), "by the closest"
    assert {case.state for case in queue.cases()} == {State.REPORTED}


def test_splitting_takes_a_merge_back(queue: Queue) -> None:
    queue.file(_CAR)
    queue.file(_BIKE)
    queue.merge(2, 1, "Li", "a mistake")
    new = queue.split(1, [_BIKE.key], "Li", "the mistake")
    assert (new.id, new.place, new.evidence) == (3, _BIKE.place, "bike")
    assert (queue.get(1).place, queue.get(1).observed) == (_CAR.place, at(300))
    assert queue.file(_BIKE) == Filed(3, "known")
    queue.gone(_BIKE.key, at(800))
    assert (queue.get(3).gone_at, queue.get(1).gone_at) == (at(800), None)


def _photos(queue: Queue, number: int) -> str:
    """Photos that an officer takes for a case."""
    name = f"case-{number}-noted-1-{uuid4().hex[:16]}"
    queue.note(number, Actor("Li"), "as it is", evidence=Attachment(name, "0" * 64))
    return name


def test_splitting_takes_the_photos_of_a_merged_case_back_too(queue: Queue) -> None:
    for each in (_CAR, _BIKE):
        queue.file(each)
    of_car, of_bike = _photos(queue, 1), _photos(queue, 2)
    queue.merge(2, 1, "Li")
    assert queue.evidence(1) == ["car", "bike", of_car, of_bike]
    queue.split(1, [_BIKE.key], "Li")
    assert queue.evidence(1) == ["car", of_car]
    assert queue.evidence(3) == ["bike", of_bike]
    queue.merge(3, 1, "Li")
    assert queue.evidence(1) == ["car", "bike", of_car, of_bike]


def test_photos_are_where_the_findings_are_through_several_merges(queue: Queue) -> None:
    cart = finding(5000, 5100, evidence="cart")
    for each in (_CAR, _BIKE, cart):
        queue.file(each)
    of_bike, of_cart = _photos(queue, 2), _photos(queue, 3)
    queue.merge(3, 2, "Li")
    of_both = _photos(queue, 2)
    queue.merge(2, 1, "Li")
    assert queue.evidence(1) == ["car", "bike", "cart", of_bike, of_both, of_cart]
    new = queue.split(1, [cart.key], "Li").id
    assert queue.evidence(1) == ["car", "bike", of_bike, of_both]
    assert queue.evidence(new) == ["cart", of_cart]


def test_a_split_case_is_found_where_its_findings_are(queue: Queue) -> None:
    here, there = located(121.0, 30.0), located(121.1, 30.0)
    queue.file(here)
    queue.file(there)
    queue.merge(2, 1, "Li")
    queue.split(1, [here.key], "Li")
    around = (121.09, 29.9, 121.11, 30.1)
    open_cases = [case.id for case in queue.cases(Filter(bbox=around, state=State.REPORTED))]
    assert open_cases == [1]
    around = (120.99, 29.9, 121.01, 30.1)
    assert [case.id for case in queue.cases(Filter(bbox=around))] == [3]


def test_a_part_of_a_building_site_takes_its_ground_along(queue: Queue) -> None:
    hall, wing = site(ground(0, 0, 20, 10)), site(ground(18, 0, 20, 10), 1)
    queue.file(hall)
    queue.file(wing)
    new = queue.split(1, [wing.key], "Li", "the neighbour's")
    assert new.place.geometry == wing.place.geometry
    assert queue.get(1).place.geometry == hall.place.geometry


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q: q.merge(1, 1, "Li"), "cannot be merged into itself"),
        (lambda q: q.merge(1, 9, "Li"), "there is no case 9"),
        (lambda q: q.merge(1, 3, "Li"), "case 1 is of kind motor.*, case 3 of kind clutter"),
        (lambda q: q.merge(1, 4, "Li"), "case 4 is rejected: it takes no findings"),
        (lambda q: q.merge(4, 1, "Li"), "case 4 is rejected: it cannot take the step merge"),
        (lambda q: q.merge(1, 5, "Li"), "case 5 is merged into case 2: it takes no findings"),
        (lambda q: q.merge(5, 1, "Li"), "case 5 is merged"),
        (lambda q: q.move(1, Action.MERGE, "Li"), "name the case that continues"),
        (lambda q: q.split(9, ["x"], "Li"), "there is no case 9"),
        (lambda q: q.split(1, [], "Li"), "no finding is named"),
        (lambda q: q.split(1, [_CAR.key], "Li"), "all findings are named"),
        (lambda q: q.split(2, [_CAR.key], "Li"), f"case 2 has no finding {_CAR.key}.*{_BIKE.key}"),
        (lambda q: q.split(4, ["x"], "Li"), "case 4 is rejected: it cannot be split"),
        (lambda q: q.split(5, ["x"], "Li"), "case 5 is merged into case 2: it cannot be split"),
        (lambda q: q.merge(1, 2, " "), "name the officer"),
        (lambda q: q.split(2, [_BIKE.key], "Li", "a\0b"), "NUL"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    queue: Queue, change: Callable[[Queue], object], message: str
) -> None:
    for each in (_CAR, _BIKE, finding(kind="clutter"), finding(5000, 5100), finding(9000, 9100)):
        queue.file(each)
    queue.reject(4, "Li", "a delivery")
    queue.merge(5, 2, "Li")
    before = [(case, queue.history(case.id)) for case in queue.cases()]
    with pytest.raises(QueueError, match=message):
        change(queue)
    assert [(case, queue.history(case.id)) for case in queue.cases()] == before


def test_roles_and_versions_are_checked(queue: Queue) -> None:
    for each in (_CAR, _MORE, _BIKE):
        queue.file(each)
    viewer = Actor("Wu", Role.VIEWER)
    with pytest.raises(ForbiddenError, match="Wu may not merge case 2 into case 1"):
        queue.merge(2, 1, viewer)
    with pytest.raises(ForbiddenError, match="Wu may not split case 1"):
        queue.split(1, [_CAR.key], viewer)
    with pytest.raises(ConflictError, match="version 1, now 2"):
        queue.split(1, [_CAR.key], "Li", version=1)
    queue.move(2, Action.CONFIRM, _CHIEF)
    with pytest.raises(ConflictError, match="confirmed by Chen"):
        queue.merge(2, 1, "Li", version=1)
