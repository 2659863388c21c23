"""The JSON of an event, and the rule that selects it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cv_engine.cases import Actor, Assignment, Queue, Role
from cv_engine.cases.lifecycle import Action
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.outlet import Selection
from tests.cases.made import CORNER, located
from zones.schedule import Schedule


@pytest.fixture
def event(queue: Queue) -> CaseEvent:
    """A case that was dispatched, at 02:46 UTC."""
    case = queue.file(located(121.55, 29.87, zone="pavement")).case_id
    queue.confirm(case, "Wang")
    chief = Actor("Li", Role.SUPERVISOR)
    queue.move(case, Action.DISPATCH, chief, "soon, 请", to=Assignment("cleansing"))
    return CaseEvent(queue.get(case), queue.history(case)[-1])


def test_an_event_has_a_key_the_entry_and_the_case(event: CaseEvent) -> None:
    read = json.loads(event.body())
    assert read["schema"] == 1
    assert read["id"] == "1-3"
    assert read["type"] == "case.state"
    assert read["timestamp"] == read["data"]["entry"]["at"]
    assert datetime.fromisoformat(read["timestamp"]) == event.entry.at
    entry = read["data"]["entry"]
    assert (entry["seq"], entry["from"], entry["to"]) == (3, "confirmed", "dispatched")
    assert (entry["by"], entry["note"]) == ("Li", "soon, 请")
    case = read["data"]["case"]
    assert (case["id"], case["version"], case["state"]) == (1, 3, "dispatched")
    assert (case["kind"], case["code"], case["department"]) == (
        *("motor_vehicle_parked", "09009"),
        "cleansing",
    )
    assert case["geometry"] == CORNER
    assert case["began"] == "2026-05-01T00:00:00Z"


def test_a_note_that_is_no_unicode_is_sent_all_the_same(queue: Queue) -> None:
    case = queue.file(located(121.55, 29.87)).case_id
    entry = queue.history(case)[0]
    from dataclasses import replace

    odd = CaseEvent(queue.get(case), replace(entry, note="\udce4"))
    assert json.loads(odd.body())["data"]["entry"]["note"] == "\udce4"


_RULES = [
    (Selection(), True),
    (Selection(kinds=["clutter", "motor_vehicle_parked"]), True),
    (Selection(kinds=["clutter"]), False),
    (Selection(zones=["pavement"]), True),
    (Selection(zones=["square"]), False),
    (Selection(events=["state"]), True),
    (Selection(events=["filed"]), False),
    (Selection(states=["dispatched"]), True),
    (Selection(states=["confirmed"]), False),
    (Selection(departments=["cleansing"]), True),
    (Selection(departments=["traffic"]), False),
    (Selection(zones=["pavement"], departments=["traffic"]), False),
    (Selection(hours=Schedule.parse("10:00-11:00", "Asia/Shanghai")), True),
    (Selection(hours=Schedule.parse("02:00-03:00", "Asia/Shanghai")), False),
]


def test_an_event_is_selected_if_every_part_of_the_rule_holds(event: CaseEvent) -> None:
    assert event.entry.at.astimezone(UTC).hour == 2
    for rule, expected in _RULES:
        assert rule.includes(event) is expected, rule
