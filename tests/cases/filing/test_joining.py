"""One problem, one case: from two cameras, a re-run, after a gap, and after a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    Case,
    Event,
    Filed,
    Queue,
    Role,
    State,
    open_queue,
)
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.finding import Finding
from tests.cases.filing.worlds import is_whole
from tests.cases.made import NEXT_BOX, at, finding, located

_METRE = 1 / 111_320
_CHIEF = Actor("Chen", Role.SUPERVISOR)
_BETWEEN = (125.0, 100.0, 225.0, 180.0)  # IoU 0.6 with CAR_BOX and with _BESIDE
_BESIDE = (150.0, 100.0, 250.0, 180.0)  # IoU 0.33 with CAR_BOX


def _states(queue: Queue) -> dict[int, State]:
    return {case.id: case.state for case in queue.cases()}


def test_a_finding_that_links_two_cases_makes_them_one(queue: Queue) -> None:
    one, other = finding(evidence="one"), finding(5, 310, box=_BESIDE, evidence="other")
    assert queue.file(one) == Filed(1, "new")
    assert queue.file(other) == Filed(2, "new")
    link = finding(20, 400, box=_BETWEEN, confidence=0.9, evidence="link")
    assert queue.file(link) == Filed(1, "joined")
    case, younger = queue.get(1), queue.get(2)
    assert (case.began, case.observed, case.confidence) == (at(0), at(400), 0.9)
    assert queue.evidence(1) == ["one", "other", "link"]
    assert (younger.state, younger.result.merged_into) == (State.MERGED, 1)
    assert queue.evidence(2) == []
    merged, joined = queue.history(1)[-2:]
    assert (merged.event, merged.by) == (Event.MERGED, "cv-engine")
    assert merged.data == {"case": 2, "keys": [other.key]}
    assert (joined.event, joined.data["key"]) == (Event.JOINED, link.key)
    last = queue.history(2)[-1]
    assert (last.event, last.to_state, last.data["into"]) == (Event.STATE, State.MERGED, 1)
    assert is_whole(queue, 1)
    assert is_whole(queue, 2)
    assert queue.file(other) == Filed(1, "known"), "by its present case"
    queue.gone(other.key, at(900))
    assert queue.get(1).gone_at == at(900)


def test_on_the_ground_a_finding_between_two_links_them(queue: Queue) -> None:
    queue.file(located(121.0, 30.0, accuracy_m=2.0))
    queue.file(located(121.0, 30.0 + 2.5 * _METRE, accuracy_m=2.0))
    between = located(121.0, 30.0 + 1.5 * _METRE, 5, accuracy_m=2.0)
    assert queue.file(between) == Filed(1, "joined")
    assert _states(queue) == {1: State.REPORTED, 2: State.MERGED}


@pytest.mark.parametrize(
    ("north_m", "accuracy_m", "began", "joins"),
    [
        pytest.param(1.5, 2.0, 10, True, id="within the accuracy of both"),
        pytest.param(1.5, 1.0, 10, False, id="not within the accuracy of one"),
        pytest.param(1.5, 2.0, 400, False, id="later"),
        pytest.param(30.0, 80.0, 10, False, id="within the accuracy of one only"),
    ],
)
@pytest.mark.parametrize("zone", ["pavement", "forecourt"])
def test_two_cameras_see_one_problem(
    queue: Queue, zone: str, north_m: float, accuracy_m: float, began: float, joins: bool
) -> None:
    queue.file(_seen_by("east", 0.0, 3.0))
    other = _seen_by("west", north_m, accuracy_m, began, zone=zone, box=NEXT_BOX)
    assert queue.file(other).outcome == ("joined" if joins else "new")


def _seen_by(
    camera: str, north_m: float, accuracy_m: float, began: float = 0, **more: Any
) -> Finding:
    point = {"type": "Point", "coordinates": [121.0, 30.0 + north_m * _METRE]}
    place = {"geometry": point, "accuracy_m": accuracy_m, "basis": "homography"}
    return finding(began, began + 300, source=camera, **{**place, **more})


def test_cameras_that_do_not_know_where_their_things_are_are_not_compared(queue: Queue) -> None:
    queue.file(finding(source="east"))
    assert queue.file(finding(source="west")).outcome == "new", "boxes of two cameras"
    point = {"type": "Point", "coordinates": [121.0, 30.0]}
    unknown: dict[str, Any] = {"geometry": point, "accuracy_m": 9.0, "basis": "camera"}
    queue.file(finding(source="north", **unknown))
    assert queue.file(finding(source="south", **unknown)).outcome == "new"


@pytest.mark.parametrize("lon", [-179.9999999, 179.9999999, 0.0, 121.002])
def test_neighbours_are_found_across_the_borders_of_cells(queue: Queue, lon: float) -> None:
    queue.file(located(lon, 30.0, source="east"))
    beyond = lon + 2e-6 if lon < 179 else -179.9999995
    assert queue.file(located(beyond, 30.0, source="west")).outcome == "joined"


def test_a_run_again_with_slightly_other_boxes_adds_no_case(queue: Queue) -> None:
    for number in range(3):
        box = (100.0 + number, 100.0, 200.0 + number, 180.0)
        queue.file(finding(number, 300 + number, box=box))
        queue.gone(finding(number, box=box).key, at(300 + number))
    assert _states(queue) == {1: State.REPORTED}
    assert len(queue.findings(1)) == 3


@pytest.mark.parametrize(
    ("kind", "gap_s", "gone", "outcome"),
    [
        pytest.param("clutter", 1800, True, "joined", id="goods behind a lorry"),
        pytest.param("clutter", 1801, False, "new", id="goods, later"),
        pytest.param("motor_vehicle_parked", 1, False, "new", id="another car"),
    ],
)
def test_a_gap_is_bridged_by_the_rule_of_the_class(
    queue: Queue, kind: str, gap_s: float, gone: bool, outcome: str
) -> None:
    first = finding(kind=kind)
    queue.file(first)
    if gone:
        queue.gone(first.key, at(300))
    again = finding(300 + gap_s, 400 + gap_s, kind=kind)
    assert queue.file(again).outcome == outcome


_LORRIES = """\
version: "1"
default_standard: City
standards: [{{id: City, digits: 1, provisional: false, provenance: the gazette}}]
classes:
  - kind: lorry_parked
    name: parked lorry
    codes: {{City: "1"}}
    recurrence: {{join_within: 10 minutes, may_return: {may_return}}}
"""


@pytest.mark.parametrize(
    ("may_return", "gone", "outcome"),
    [("false", False, "joined"), ("false", True, "new"), ("true", True, "joined")],
)
def test_a_city_says_whether_what_has_left_may_be_back(
    where: str, tmp_path: Path, may_return: str, gone: bool, outcome: str
) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(_LORRIES.format(may_return=may_return))
    first, again = (finding(began, began + 100, kind="lorry_parked") for began in (0, 200))
    with open_queue(where, taxonomy=load_taxonomy(path)) as queue:
        queue.file(first)
        if gone:
            queue.gone(first.key, at(100))
        assert queue.file(again).outcome == outcome


def test_a_departure_that_is_learnt_late_shows_two_things(queue: Queue) -> None:
    """Two recordings are analysed at once: the second is filed before the first is done."""
    first, second = finding(evidence="one"), finding(900, 1200, evidence="two")
    queue.file(first)
    assert queue.file(second, missed=timedelta(seconds=600)).outcome == "joined"
    assert queue.gone(first.key, at(310))
    one, two = queue.get(1), queue.get(2)
    assert (one.began, one.observed, one.gone_at) == (at(0), at(310), at(310))
    assert (two.began, two.observed, two.gone_at, two.evidence) == (
        *(at(900), at(1200), None, "two"),
    )
    assert queue.history(1)[-1].data == {"case": 2, "keys": [second.key]}
    assert queue.history(2)[0].data["split_from"] == 1
    assert is_whole(queue, 1)
    assert is_whole(queue, 2)


def test_a_case_that_somebody_confirmed_is_not_divided(queue: Queue) -> None:
    first = finding()
    queue.file(first)
    queue.file(finding(900, 1200), missed=timedelta(seconds=600))
    queue.confirm(1, "Li")
    queue.gone(first.key, at(310))
    assert _states(queue) == {1: State.CONFIRMED}


def test_a_stay_that_turns_out_longer_reaches_another_case(queue: Queue) -> None:
    first = finding()
    queue.file(first)
    queue.file(finding(600, 900))
    queue.seen(first.key, at(599))
    assert _states(queue) == {1: State.REPORTED, 2: State.REPORTED}
    queue.seen(first.key, at(610))
    assert _states(queue) == {1: State.REPORTED, 2: State.MERGED}
    assert queue.get(1).observed == at(900)


def test_a_case_on_which_somebody_acted_keeps_its_number(queue: Queue) -> None:
    queue.file(finding())
    queue.file(finding(5, 310, box=_BESIDE))
    queue.confirm(2, "Li")
    assert queue.file(finding(20, 400, box=_BETWEEN)) == Filed(2, "joined")
    assert _states(queue) == {1: State.MERGED, 2: State.CONFIRMED}


def test_two_cases_on_which_people_acted_stay_two(queue: Queue) -> None:
    queue.file(finding())
    queue.file(finding(5, 310, box=_BESIDE))
    for number in (1, 2):
        queue.confirm(number, "Li")
    nearer = (130.0, 100.0, 230.0, 180.0)
    assert queue.file(finding(20, 400, box=nearer)) == Filed(2, "joined")
    assert _states(queue) == {1: State.CONFIRMED, 2: State.CONFIRMED}
    assert queue.history(2)[-1].data["also"] == [1], "for an officer, who may merge the two"


def _closed(queue: Queue, number: int) -> Case:
    for action in (Action.CONFIRM, Action.DISPATCH, Action.HANDLE, Action.VERIFY, Action.CLOSE):
        queue.move(number, action, _CHIEF, to=Assignment("cleansing"))
    return queue.get(number)


def _after(closed: Case, seconds: float, **more: Any) -> Finding:
    """Goods that are there again so long after their case was closed."""
    assert closed.result.ended_at is not None
    began = (closed.result.ended_at - at(0)).total_seconds() + seconds
    return finding(began, began + 300, kind="clutter", **more)


def test_goods_that_are_back_soon_reopen_their_case(queue: Queue) -> None:
    queue.file(finding(kind="clutter"))
    closed = _closed(queue, 1)
    again = _after(closed, 86_400)
    assert queue.file(again) == Filed(1, "reopened")
    assert queue.file(again) == Filed(1, "known")
    case = queue.get(1)
    assert (case.state, case.result.reopenings, case.result.ended_at) == (State.CONFIRMED, 1, None)
    step, joined = queue.history(1)[-2:]
    assert (step.by, step.data["action"], step.data["key"]) == ("cv-engine", "reopen", again.key)
    assert step.note.startswith("seen again by market-street at ")
    assert joined.event is Event.JOINED
    assert len(queue.findings(1)) == 2


def test_goods_that_are_back_later_are_a_new_case_that_names_the_earlier(queue: Queue) -> None:
    queue.file(finding(kind="clutter"))
    again = _after(_closed(queue, 1), 86_401)
    assert queue.file(again) == Filed(2, "new")
    assert queue.get(2).attributes["earlier_case"] == 1
    assert queue.history(2)[0].data["earlier_case"] == 1
    assert queue.get(1).state is State.CLOSED
    beside = _after(queue.get(1), 90_000, box=NEXT_BOX)
    assert "earlier_case" not in queue.get(queue.file(beside).case_id).attributes


def test_what_was_seen_before_the_closing_belongs_to_the_closed_case(queue: Queue) -> None:
    queue.file(finding(kind="clutter"))
    _closed(queue, 1)
    assert queue.file(finding(4000, 4300, kind="clutter")) == Filed(1, "joined")
    assert queue.get(1).state is State.CLOSED


def test_a_car_at_the_place_of_a_closed_case_is_another(queue: Queue) -> None:
    queue.file(finding())
    assert queue.file(finding(10, 310, box=(101.0, 100.0, 201.0, 180.0))).outcome == "joined"
    _closed(queue, 1)
    assert queue.file(finding(20, 320)).outcome == "joined", "a run again"
    assert queue.file(finding(20_000, 20_300)) == Filed(2, "new")
    assert queue.get(2).attributes == {}


def test_a_stay_that_was_rejected_is_not_filed_again_and_again(queue: Queue) -> None:
    queue.file(finding())
    queue.reject(1, "Li", "an ambulance")
    assert queue.file(finding(10, 400)) == Filed(1, "joined")
    assert queue.file(finding(390, 700)) == Filed(1, "joined"), "it is still there"
    case = queue.get(1)
    assert (case.state, case.observed) == (State.REJECTED, at(700))
    assert queue.file(finding(701, 900)) == Filed(2, "new"), "a later stay"


def test_a_withdrawn_case_is_not_joined(queue: Queue) -> None:
    queue.file(finding())
    queue.move(1, Action.WITHDRAW, _CHIEF, "a test")
    assert queue.file(finding(10, 400)) == Filed(2, "new")
    assert queue.get(2).attributes == {"earlier_case": 1}


def test_a_kind_that_left_the_taxonomy_keeps_its_cases(where: str) -> None:
    known = load_taxonomy()
    without = {key: each for key, each in known.classes.items() if each.kind != "clutter"}
    made = finding(kind="clutter")
    with open_queue(where) as queue:
        queue.file(made)
    with open_queue(where, taxonomy=replace(known, classes=without)) as queue:
        assert queue.gone(made.key, at(400))


def test_times_are_compared_exactly(queue: Queue) -> None:
    first = finding(0, 300)
    queue.file(first)
    later: datetime = at(300) + timedelta(microseconds=1)
    assert queue.file(finding((later - at(0)).total_seconds(), 400)).outcome == "new"
