from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cv_engine.cases import (
    Action,
    Assignment,
    Event,
    Filter,
    Queue,
    QueueError,
    State,
    open_queue,
)
from cv_engine.cases.database.store import Store
from tests.cases.made import CAR_BOX, CORNER, NEXT_BOX, at, finding


def test_a_finding_becomes_a_case(queue: Queue) -> None:
    made = finding(
        geometry=CORNER,
        accuracy_m=2.5,
        basis="homography",
        attributes={"dwell_s": 300.5, "vehicle": "轿车", "boxes": [[1, 2]]},
        evidence="parking-1",
    )
    filed = queue.file(made)
    assert (filed.case_id, filed.outcome) == (1, "new")
    case = queue.get(1)
    assert case.place == made.place
    assert (case.key, case.kind, case.source, case.zone) == (
        *(made.key, "motor_vehicle_parked", "market-street", "pavement"),
    )
    assert (case.standard, case.code) == ("GB/T 47678.5-2026", "09009")
    assert (case.began, case.observed, case.gone_at) == (at(0), at(300), None)
    assert (case.confidence, case.evidence, case.state) == (0.8, "parking-1", State.REPORTED)
    assert case.attributes == made.attributes
    (entry,) = queue.history(1)
    assert (entry.event, entry.by, entry.to_state) == (Event.FILED, "cv-engine", State.REPORTED)
    assert entry.data["key"] == made.key
    assert entry.data["image_box"] == list(CAR_BOX)


def test_filing_again_changes_nothing(queue: Queue) -> None:
    first, joining = finding(), finding(10, 400)
    assert queue.file(first).outcome == "new"
    assert queue.file(joining).outcome == "joined"
    before = queue.get(1), queue.history(1)
    assert queue.file(first).outcome == "known"
    assert queue.file(joining).outcome == "known"
    assert (queue.get(1), queue.history(1)) == before


@pytest.mark.parametrize(
    ("one", "other", "joins"),
    [
        pytest.param({}, {"began": 100, "observed": 500}, True, id="in time and place"),
        pytest.param({}, {"began": 300, "observed": 500}, True, id="both there at one moment"),
        pytest.param({}, {"began": 301, "observed": 500}, False, id="one after the other"),
        pytest.param({"began": 301, "observed": 400}, {}, False, id="the later one filed first"),
        pytest.param({}, {"began": 9, "box": NEXT_BOX}, False, id="side by side"),
        pytest.param({}, {"began": 9, "box": (105.0, 100.0, 205.0, 180.0)}, True, id="a bit off"),
        pytest.param({}, {"began": 9, "kind": "clutter"}, False, id="other kind"),
        pytest.param({}, {"began": 9, "source": "side-street"}, False, id="other camera"),
        pytest.param({}, {"began": 9, "zone": "bus-lane"}, False, id="other zone"),
        pytest.param(
            {"geometry": CORNER, "basis": "camera", "accuracy_m": 50.0, "box": None},
            {"began": 9, "geometry": CORNER, "basis": "camera", "accuracy_m": 50.0, "box": None},
            False,
            id="only the camera's place is known",
        ),
    ],
)
def test_joining(queue: Queue, one: dict[str, Any], other: dict[str, Any], joins: bool) -> None:
    queue.file(finding(**one))
    assert queue.file(finding(**other)).outcome == ("joined" if joins else "new")
    assert queue.count() == (1 if joins else 2)


def test_a_case_covers_what_joined_it(queue: Queue) -> None:
    first = finding(100, 400, confidence=0.6)
    queue.file(first)
    queue.gone(first.key, at(410))
    queue.file(finding(50, 600, confidence=0.9, evidence="second"))
    case = queue.get(1)
    assert (case.began, case.observed, case.gone_at) == (at(50), at(600), None)
    assert (case.confidence, case.evidence, case.key) == (0.9, "second", first.key)
    assert [entry.event for entry in queue.history(1)] == [Event.FILED, Event.GONE, Event.JOINED]


def test_leaving_is_idempotent_and_a_later_time_wins(queue: Queue) -> None:
    made = finding()
    queue.file(made)
    assert queue.gone(made.key, at(420))
    assert not queue.gone(made.key, at(420))
    assert queue.gone(made.key, at(500))
    assert not queue.gone(made.key, at(450))
    case = queue.get(1)
    assert (case.observed, case.gone_at, case.state) == (at(500), at(500), State.REPORTED)
    assert [e.data["at"] for e in queue.history(1) if e.event is Event.GONE] == [
        *("2026-05-01T00:07:00+00:00", "2026-05-01T00:08:20+00:00")
    ]


def test_a_thing_does_not_leave_before_it_was_last_seen(queue: Queue) -> None:
    first, second = finding(), finding(10, 600)
    queue.file(first)
    queue.file(second)
    queue.gone(first.key, at(310))
    assert (queue.get(1).observed, queue.get(1).gone_at) == (at(600), None)
    queue.gone(second.key, at(600))
    assert queue.get(1).gone_at == at(600)


def test_leaving_needs_a_filed_finding_and_a_later_time(queue: Queue) -> None:
    made = finding(100)
    queue.file(made)
    for key, when, message in (
        ("nothing", at(1), "was never filed"),
        (made.key, at(99), "began later"),
        (made.key, at(500).replace(tzinfo=None), "no time zone"),
    ):
        with pytest.raises(QueueError, match=message):
            queue.gone(key, when)


def test_evidence_can_be_added_later(queue: Queue) -> None:
    first, second = finding(), finding(10, 600)
    queue.file(first)
    queue.file(second)
    assert queue.remember_evidence(second.key, "second")
    assert not queue.remember_evidence(second.key, "second")
    assert queue.file(finding(evidence="first")).outcome == "known"
    assert queue.evidence(1) == ["first", "second"]
    assert queue.get(1).evidence == "second"
    with pytest.raises(QueueError, match="has its evidence in 'second'"):
        queue.remember_evidence(second.key, "third")
    for name in ("", "/etc", "../out", "a\\b"):
        with pytest.raises(QueueError, match="inside evidence/"):
            queue.remember_evidence(first.key, name)


def test_evidence_of_a_finding_is_found_by_its_key(queue: Queue) -> None:
    with_evidence, joined = finding(evidence="first"), finding(10, 400)
    queue.file(with_evidence)
    queue.file(joined)
    assert queue.evidence_of(with_evidence.key) == "first"
    assert queue.evidence_of(joined.key) is None
    assert queue.evidence_of("never filed") is None


def test_officers_decide(queue: Queue) -> None:
    queue.file(finding())
    queue.file(finding(box=NEXT_BOX))
    assert queue.confirm(1, "Li", "seen on site").state is State.CONFIRMED
    assert queue.reject(2, "Wang", "a delivery").state is State.REJECTED
    entry = queue.history(2)[-1]
    assert (entry.event, entry.by, entry.note) == (Event.STATE, "Wang", "a delivery")
    assert (entry.from_state, entry.to_state) == (State.REPORTED, State.REJECTED)
    with pytest.raises(QueueError, match=r"case 2 is rejected: .* step confirm.*undo.*by Wang"):
        queue.confirm(2, "Li")
    with pytest.raises(QueueError, match=r"case 1 is confirmed: .*\(confirmed by Li at "):
        queue.confirm(1, "Li")
    for action, state in (
        (Action.DISPATCH, State.DISPATCHED),
        (Action.HANDLE, State.HANDLED),
        (Action.VERIFY, State.VERIFIED),
        (Action.CLOSE, State.CLOSED),
    ):
        assert queue.move(1, action, "Li", to=Assignment("cleansing")).state is state
    assert len(queue.history(1)) == 6


@pytest.mark.parametrize(
    ("case_id", "action", "by", "note", "message"),
    [
        (9, Action.CONFIRM, "Li", "", "there is no case 9"),
        (0, Action.CONFIRM, "Li", "", "there is no case 0"),
        (2**70, Action.CONFIRM, "Li", "", "there is no case"),
        (1, Action.CONFIRM, " ", "", "name the officer"),
        (1, Action.REJECT, "Li", " ", "give a reason"),
        (1, Action.WITHDRAW, "Li", "a test", "takes the role supervisor, Li is officer"),
        (1, Action.HANDLE, "Li", "", "cannot take the step handle"),
        (1, Action.CONFIRM, "Li", "a\0b", "NUL"),
    ],
)
def test_wrong_decisions_change_nothing(
    queue: Queue, case_id: int, action: Action, by: str, note: str, message: str
) -> None:
    queue.file(finding())
    with pytest.raises(QueueError, match=message):
        queue.move(case_id, action, by, note)
    assert (queue.get(1).state, len(queue.history(1))) == (State.REPORTED, 1)


@pytest.mark.parametrize("change", ["UPDATE history SET note = 'x'", "DELETE FROM history"])
def test_history_cannot_be_changed(where: str, change: str) -> None:
    with open_queue(where) as queue:
        queue.file(finding())
        store = Store(where)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.writing() as connection:
            connection.exec_driver_sql(change)
        store.close()
        assert len(queue.history(1)) == 1


def test_a_queue_keeps_what_was_filed_when_opened_again(where: str) -> None:
    with open_queue(where) as queue:
        queue.file(finding())
    with open_queue(where) as queue:
        assert queue.file(finding()).outcome == "known"
        assert [case.id for case in queue.cases(Filter())] == [1]


def test_a_thing_that_is_still_there_is_recorded(queue: Queue) -> None:
    made, other = finding(), finding(10, 400)
    queue.file(made)
    queue.file(other)
    history = queue.history(1)
    queue.seen(made.key, at(700))
    assert queue.get(1).observed == at(700)
    queue.seen(other.key, at(650))
    queue.seen(made.key, at(700))
    assert queue.get(1).observed == at(700), "an earlier time changes nothing"
    assert queue.history(1) == history
    # A finding that begins while the thing is there, in the same place, is the same thing.
    assert queue.file(finding(600, 900)).outcome == "joined"


def test_sightings_need_a_filed_finding_and_a_time_zone(queue: Queue) -> None:
    with pytest.raises(QueueError):
        queue.seen(finding().key, at(1))
    made = finding()
    queue.file(made)
    with pytest.raises(QueueError, match="no time zone"):
        queue.seen(made.key, at(1).replace(tzinfo=None))


@pytest.mark.parametrize(
    ("began", "missed_s", "left", "outcome"),
    [
        pytest.param(900, 0, False, "new", id="nothing missed"),
        pytest.param(900, 600, False, "joined", id="missed for exactly this time"),
        pytest.param(901, 600, False, "new", id="a second too late"),
        pytest.param(900, 600, True, "new", id="known to have left"),
    ],
)
def test_joining_over_a_time_without_samples(
    queue: Queue, began: float, missed_s: float, left: bool, outcome: str
) -> None:
    first = finding(0, 300)
    queue.file(first)
    if left:
        queue.gone(first.key, at(300))
    again = finding(began, began + 60)
    assert queue.file(again, missed=timedelta(seconds=missed_s)).outcome == outcome
    assert queue.file(again, missed=timedelta(seconds=missed_s)).outcome == "known"
    assert queue.count() == (1 if outcome == "joined" else 2)


def test_a_camera_without_a_picture_is_a_case(queue: Queue) -> None:
    filed = queue.file(finding(kind="camera_blind"))
    case = queue.get(filed.case_id)
    assert (case.standard, case.code) == ("cv-engine", "001")
