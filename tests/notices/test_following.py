"""The driver leaves within the grace time, or an officer takes over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cv_engine.cases import Action, Event, QueueError, State, open_queue
from cv_engine.cases.dispatch.organisation import Area, Department, Organisation
from cv_engine.cases.outbox.errors import Refused
from cv_engine.notices.gateways.gateway import Message
from tests.notices.made import City, Phones, noon, registry_of
from zones.schedule import Schedule

_GRACE_S, _SETTLE_S = 600.0, 60.0


def test_who_leaves_in_time_is_let_go(city: City) -> None:
    number = city.confirmed()
    city.run()
    city.clock.advance(300)
    city.gone(number)
    assert city.run(5).left == (number,)
    assert city.state(number) == (State.CLOSED, "left")


def test_news_of_a_departure_in_time_may_come_late(city: City) -> None:
    number = city.confirmed()
    city.run()
    city.run(_GRACE_S + _SETTLE_S)
    assert city.case(number).handling.alert == "escalated"
    city.gone(number, before_s=_SETTLE_S + 1)
    assert city.run().left == (number,)
    assert city.state(number) == (State.CLOSED, "left")


def test_who_stays_goes_to_an_officer_who_cites(city: City) -> None:
    number = city.confirmed()
    city.run()
    city.clock.advance(_GRACE_S)
    city.seen(number)
    assert not city.run(_SETTLE_S - 1)
    assert city.run(1).escalated == (number,)
    assert "still there" in city.notes(number, Event.ESCALATED)[0]
    assert not city.run(600)
    city.queue.move(number, Action.CITE, "Li")
    assert not city.run(600)
    assert city.state(number) == (State.CITED, None)


def test_who_leaves_after_the_grace_time_is_not_let_go(city: City) -> None:
    number = city.confirmed()
    city.run()
    city.clock.advance(_GRACE_S + 10)
    city.gone(number)
    assert city.run(5).escalated == (number,)
    assert city.state(number) == (State.NOTICED, None)
    assert not city.run(60)


def test_who_leaves_before_the_message_was_sent_gets_none(city: City, phones: Phones) -> None:
    quiet = city.with_policy(quiet=_schedule("11:00-14:00"))
    number = quiet.confirmed()
    quiet.run()
    assert quiet.notice(number).state == "waiting"
    quiet.clock.advance(600)
    quiet.gone(number)
    quiet.run()
    assert quiet.state(number) == (State.CLOSED, "left")
    assert quiet.notice(number).state == "cancelled"
    quiet.run(3 * 3600)
    assert phones.messages == []


def test_in_the_warning_period_no_driver_is_cited(city: City, phones: Phones) -> None:
    number = city.confirmed(attributes={"warning": True})
    city.run()
    assert "This is a warning" in phones.messages[0].text
    with pytest.raises(QueueError, match="may be warned, not cited"):
        city.queue.move(number, Action.CITE, "Li")
    assert city.run(_GRACE_S + _SETTLE_S).warned == (number,)
    assert city.state(number) == (State.CLOSED, "warned")


def test_a_warning_that_reached_no_driver_is_none(city: City, phones: Phones) -> None:
    phones.answer = _refuse
    number = city.confirmed(attributes={"warning": True})
    city.run()
    city.run(_SETTLE_S)
    assert city.state(number) == (State.CLOSED, "dismissed")


def test_the_other_case_of_a_dwell_follows_the_same_notice(city: City) -> None:
    first, second = city.confirmed(), city.confirmed(zone="bus lane")
    city.run()
    city.clock.advance(120)
    city.gone(first)
    city.gone(second)
    assert city.run(5).left == (first, second)


def test_the_other_case_of_a_cancelled_notice_goes_to_an_officer(city: City) -> None:
    quiet = city.with_policy(quiet=_schedule("11:00-14:00"))
    first, second = quiet.confirmed(), quiet.confirmed(zone="bus lane")
    quiet.run()
    quiet.gone(first)
    quiet.run(30)
    assert quiet.state(first) == (State.CLOSED, "left")
    assert quiet.run(60).escalated == (second,)


def test_a_driver_who_was_not_reached_is_an_officers_matter_at_once(
    city: City, phones: Phones
) -> None:
    phones.answer = _refuse
    number = city.confirmed()
    city.run()
    assert city.run(_SETTLE_S).escalated == (number,)
    assert "was not reached" in city.notes(number, Event.ESCALATED)[0]


@pytest.fixture
def organised(where: str, phones: Phones, imported: Path) -> Iterator[City]:
    """A city with one department, which is responsible for its area."""
    street = Area("market", box(121, 29, 122, 30), department="traffic")
    organisation = Organisation(
        Path("city.yaml"), {"traffic": Department("traffic", "Traffic")}, {}, (street,)
    )
    clock = noon()
    with (
        open_queue(where, clock=clock, organisation=organisation) as queue,
        registry_of(imported, queue, clock) as registry,
    ):
        yield City(queue, clock, phones, registry)


def test_the_responsible_department_gets_the_case(organised: City) -> None:
    point = {"type": "Point", "coordinates": [121.55, 29.87]}
    place: dict[str, Any] = {"geometry": point, "accuracy_m": 3.0, "basis": "homography"}
    unread, stays = (
        organised.confirmed(None, **place),
        organised.confirmed(zone="bus lane", **place),
    )
    organised.run()
    organised.run(_GRACE_S + _SETTLE_S)
    departments = [organised.case(each).handling.department for each in (unread, stays)]
    assert departments == ["traffic", "traffic"]


def _refuse(message: Message) -> None:
    raise Refused("no such number")


def _schedule(text: str) -> Schedule:
    return Schedule.parse(text, "Asia/Shanghai")
