"""Which cases get a notice, and which take another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import Action, Event, State
from cv_engine.cases.looks import each_look
from cv_engine.notices.errors import NoticeError
from tests.notices.made import PHONE, PLATE, City, Phones, registry_of


def test_the_driver_of_a_confirmed_case_is_asked_once(city: City, phones: Phones) -> None:
    number = city.confirmed(attributes={"address": "7 Market Street"})
    done = city.run()
    assert (done.asked, done.sent) == ((number,), 1)
    (message,) = phones.messages
    assert message.to == PHONE
    assert PLATE in message.text
    assert "7 Market Street" in message.text
    assert city.state(number) == (State.NOTICED, None)
    assert not city.run(60)
    assert len(phones.messages) == 1


def test_nothing_is_sent_before_a_person_has_confirmed(city: City, phones: Phones) -> None:
    number = city.park()
    assert not city.run()
    city.queue.reject(number, "Wang", "loading")
    assert not city.run()
    assert phones.messages == []


@pytest.mark.parametrize(
    ("plate", "sure", "reason"),
    [
        (None, 0.0, "plate_unread"),
        (PLATE, 0.9899, "plate_unsure"),
        ("浙B99999", 0.998, "not_registered"),
        ("浙B77777", 0.998, "no_contact"),
        ("浙B88888", 0.998, "status"),
    ],
)
def test_a_plate_that_is_not_sure_or_not_known_goes_to_an_officer(
    city: City, phones: Phones, plate: str | None, sure: float, reason: str
) -> None:
    number = city.confirmed(plate, sure)
    assert city.run().to_officers == (number,)
    assert city.state(number) == (State.CONFIRMED, None)
    assert city.notice(number).reason == reason
    (note,) = city.notes(number)
    assert note.startswith("no notice: ")
    assert not city.run(60)
    assert phones.messages == []


def test_a_plate_is_not_written_into_the_history(city: City) -> None:
    # Histories are permanent; the findings hold the plate, and so does the table of notices.
    for number in (city.confirmed(), city.confirmed(PLATE, 0.5), city.confirmed("浙B66666")):
        city.run()
        texts = [
            f"{entry.note} {entry.data}"
            for entry in city.queue.history(number)
            if entry.event is not Event.FILED
        ]
        assert not any("浙B" in text or PHONE in text for text in texts)


def test_two_plates_of_one_case_go_to_an_officer(city: City, phones: Phones) -> None:
    number = city.park(PLATE)
    city.places -= 1
    assert city.park("浙B00001", dwell_s=200) == number
    city.queue.confirm(number, "Wang")
    city.run()
    assert city.notice(number).reason == "plates_differ"
    assert phones.messages == []


def test_the_surest_reading_of_several_findings_counts(city: City, phones: Phones) -> None:
    number = city.park("浙B1Z345", sure=0.5)
    city.places -= 1
    assert city.park(PLATE, dwell_s=200) == number
    city.queue.confirm(number, "Wang")
    city.run()
    assert [message.to for message in phones.messages] == [PHONE]


@pytest.mark.parametrize(
    ("plate", "why"), [("浙B0110警", "police"), ("浙B55555", "parking permit 5")]
)
def test_what_may_stand_there_is_withdrawn(
    city: City, phones: Phones, plate: str, why: str
) -> None:
    number = city.confirmed(plate)
    assert city.run().exempt == (number,)
    assert city.state(number) == (State.WITHDRAWN, None)
    assert why in city.queue.history(number)[-1].note
    assert phones.messages == []


def test_a_permit_holds_in_its_zone_only(city: City, phones: Phones) -> None:
    number = city.confirmed("浙B55555", zone="bus lane")
    city.run()
    assert city.notice(number).way == "notice"
    assert [message.to for message in phones.messages] == ["13800000005"]


@pytest.mark.parametrize(
    ("latitude", "way"), [(29.8001, "exempt"), (29.801, "notice"), (None, "notice")]
)
def test_a_permit_for_a_place_holds_where_the_vehicle_is_known_to_stand(
    city: City, latitude: float | None, way: str
) -> None:
    point = {"type": "Point", "coordinates": [121.5, latitude]}
    place: dict[str, Any] = (
        {} if latitude is None else {"geometry": point, "accuracy_m": 3.0, "basis": "camera"}
    )
    number = city.confirmed("浙B44444", **place)
    city.run()
    assert city.notice(number).way == way


def test_the_access_to_the_drivers_number_is_in_the_log(city: City) -> None:
    number = city.confirmed()
    city.confirmed("浙B0110警")
    city.run()
    with city.queue.store.reading() as connection:
        (look,) = (logged.look for logged in each_look(connection))
    assert (look.who, look.what, look.case_id, look.plate) == (
        *("cv-engine", "contact", number, PLATE),
    )


def test_a_stolen_vehicle_is_urgent_and_its_driver_is_not_warned(
    city: City, phones: Phones
) -> None:
    number = city.confirmed("浙B66666")
    city.run()
    case = city.case(number)
    assert (case.state, case.priority, case.handling.alert) == (
        *(State.CONFIRMED, "urgent", "escalated"),
    )
    assert phones.messages == []


def test_a_vehicle_that_left_or_was_not_seen_lately_is_not_asked(
    city: City, phones: Phones
) -> None:
    left, unseen = city.confirmed(), city.confirmed("浙B00001")
    city.gone(left)
    city.run(901)
    assert [city.notice(each).reason for each in (left, unseen)] == ["gone", "unseen"]
    assert city.notes(left) == city.notes(unseen) == []
    assert phones.messages == []


def test_two_cases_of_one_dwell_are_one_notice(city: City, phones: Phones) -> None:
    first, second = city.confirmed(), city.confirmed(zone="bus lane")
    city.run()
    assert len(phones.messages) == 1
    assert city.notice(second).way == "asked"
    assert {city.state(each)[0] for each in (first, second)} == {State.NOTICED}


def test_a_vehicle_that_left_and_came_back_is_asked_again(city: City, phones: Phones) -> None:
    first = city.confirmed()
    city.run()
    city.clock.advance(120)
    city.gone(first)
    city.run(60)
    city.clock.advance(600)
    city.confirmed(zone="bus lane")
    city.run()
    assert len(phones.messages) == 2


def test_a_vehicle_not_seen_leaving_is_asked_again_only_after_a_while(
    city: City, phones: Phones
) -> None:
    city.confirmed()
    city.run()
    city.clock.advance(3600)
    city.confirmed(zone="bus lane")
    city.run()
    assert len(phones.messages) == 1
    city.clock.advance(4 * 3600)
    city.confirmed(zone="crossing")
    city.run()
    assert len(phones.messages) == 2


def test_who_was_asked_often_goes_to_an_officer_at_once(city: City, phones: Phones) -> None:
    for _ in range(4):
        number = city.confirmed()
        city.run()
        city.clock.advance(60)
        city.gone(number)
        city.run(60)
        city.clock.advance(3600)
    assert len(phones.messages) == 3
    assert city.notice(number).reason == "repeated"
    city.clock.advance(91 * 86_400)
    city.confirmed()
    city.run()
    assert len(phones.messages) == 4


def test_a_zone_may_want_no_notice(city: City, phones: Phones) -> None:
    city.confirmed(attributes={"notice": "never"})
    city.confirmed("浙B00001", kind="clutter")
    assert not city.run()
    assert phones.messages == []


def test_a_case_that_was_dispatched_meanwhile_is_left_alone(city: City, phones: Phones) -> None:
    number = city.confirmed()
    city.queue.move(number, Action.CITE, "Li")
    assert not city.run()
    assert phones.messages == []


def test_a_registry_that_does_not_answer_delays_and_the_rest_goes_on(
    city: City, phones: Phones, tmp_path: Path
) -> None:
    waiting = city.confirmed()
    city.run()
    city.clock.advance(60)
    city.gone(waiting)
    number = city.confirmed("浙B00001")
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "vehicles.db").write_bytes(b"no table" * 1000)
    registry, city.registry = city.registry, registry_of(tmp_path, city.queue, city.clock)
    with pytest.raises(NoticeError, match="the table is damaged"):
        city.run(60)
    assert city.state(waiting) == (State.CLOSED, "left")
    assert city.state(number) == (State.CONFIRMED, None)
    city.registry = registry
    city.run(60)
    assert len(phones.messages) == 2
