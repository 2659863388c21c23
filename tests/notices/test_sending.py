"""A notice leaves once: retried, given up, left in doubt, listed and sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cv_engine.cases import Action, Actor, ForbiddenError, Role, State
from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.notices.errors import InDoubt, NoticeError
from cv_engine.notices.gateways.gateway import Message, Outcome, Report
from cv_engine.notices.overview import Overview
from cv_engine.notices.wording.car_parks import CarParks
from tests.notices.made import City, Phones, registry_of
from zones.schedule import Schedule

_OFFICER = Actor("Li")


class _Killed(BaseException):
    """The process ends here."""


def _raising(error: BaseException) -> Callable[[Message], None]:
    def answer(message: Message) -> None:
        raise error

    return answer


def _killed(phones: Phones, *, after: bool) -> Callable[[Message], None]:
    def answer(message: Message) -> None:
        if after:
            phones.take(message)
        raise _Killed

    return answer


def test_a_gateway_that_is_away_is_tried_again_with_pauses(city: City, phones: Phones) -> None:
    phones.answer = _raising(OutletAway("HTTP 503"))
    numbers = [city.confirmed(), city.confirmed("浙B00001")]
    rounds = city.rounds
    for _ in range(60):
        city.clock.advance(10)
        rounds.run_once()
        for number in numbers:
            city.seen(number)
    assert 5 < len(phones.asked) < 60  # one at a time, less and less often
    phones.answer = lambda message: None
    for _ in range(40):
        city.clock.advance(10)
        rounds.run_once()
    assert sorted(message.to for message in phones.messages) == ["13800000000", "13800000001"]
    assert [city.notice(each).state for each in numbers] == ["sent", "sent"]


def test_a_notice_that_is_refused_is_a_dead_letter_and_does_not_stop_others(
    city: City, phones: Phones
) -> None:
    dead, sent = city.confirmed(), city.confirmed("浙B00001")
    phones.answer = lambda message: _refuse_first(message)
    city.run()
    assert [city.notice(each).state for each in (dead, sent)] == ["dead", "sent"]
    assert city.notice(dead).error == "refused: HTTP 422"


def _refuse_first(message: Message) -> None:
    if message.to == "13800000000":
        raise Refused("HTTP 422")


def test_a_notice_that_is_never_taken_is_given_up(city: City, phones: Phones) -> None:
    phones.answer = _raising(RetryLater("HTTP 425"))
    number = city.confirmed()
    for _ in range(14):
        city.run(300)
        if city.case(number).state is State.NOTICED:
            city.seen(number)
    assert city.notice(number).state == "dead"
    assert city.case(number).handling.alert == "escalated"
    asked = len(phones.asked)
    city.run(300)
    assert len(phones.asked) == asked


@pytest.mark.parametrize("after", [False, True])
def test_a_gateway_that_heeds_keys_gets_an_interrupted_notice_again(
    city: City, phones: Phones, after: bool
) -> None:
    number = city.confirmed()
    phones.answer = _killed(phones, after=after)
    with pytest.raises(_Killed):
        city.run()
    phones.answer = lambda message: None
    city.run(59)
    assert len(phones.asked) == 1  # it may be under way still
    city.run(1)
    city.run(10)
    assert len(phones.asked) == 2
    assert len(set(phones.asked)) == 1
    assert len(phones.messages) == 1
    assert city.notice(number).state == "sent"


@pytest.mark.parametrize("after", [False, True])
def test_another_gateway_does_not_get_it_again_by_itself(
    city: City, phones: Phones, after: bool
) -> None:
    phones.is_idempotent = False
    number = city.confirmed()
    phones.answer = _killed(phones, after=after)
    with pytest.raises(_Killed):
        city.run()
    phones.answer = lambda message: None
    for _ in range(20):
        city.run(60)
    assert len(phones.asked) == 1
    assert city.notice(number).state == "doubtful"
    assert city.case(number).handling.alert == "escalated"  # after the grace time all the same
    assert Overview(city.queue.store).resend(None, _OFFICER, city.clock.now) == 0
    assert Overview(city.queue.store).resend([1], _OFFICER, city.clock.now) == 1
    city.seen(number)
    city.run()
    assert city.notice(number).state == "sent"
    assert len(phones.messages) == 1 + after


def test_an_answer_that_does_not_come_is_doubt_only_where_keys_are_not_heeded(
    city: City, phones: Phones
) -> None:
    phones.answer = _raising(InDoubt("no answer (ReadTimeout)"))
    first = city.confirmed()
    city.run()
    assert city.notice(first).state == "waiting"
    phones.is_idempotent = False
    second = city.confirmed("浙B00001")
    city.run()
    assert city.notice(second).state == "doubtful"


def test_a_library_that_fails_in_an_unknown_way_is_doubt(city: City, phones: Phones) -> None:
    phones.is_idempotent = False
    phones.answer = _raising(RuntimeError("broken"))
    number = city.confirmed()
    city.run()
    assert city.notice(number).state == "doubtful"
    assert city.notice(number).error == "RuntimeError: broken"


def test_dead_letters_are_sent_again_by_an_officer(city: City, phones: Phones) -> None:
    phones.answer = _raising(Refused("HTTP 400"))
    number = city.confirmed()
    city.run()
    overview = Overview(city.queue.store)
    with pytest.raises(ForbiddenError):
        overview.resend(None, Actor("Guest", Role.VIEWER), city.clock.now)
    with pytest.raises(NoticeError, match="notice 9 is not a dead or doubtful one"):
        overview.resend([1, 9], _OFFICER, city.clock.now)
    assert overview.resend(None, _OFFICER, city.clock.now) == 1
    phones.answer = lambda message: None
    city.run()
    assert city.notice(number).state == "sent"
    assert city.queue.history(number)[-2].by == "Li"
    with pytest.raises(NoticeError):
        overview.resend([1], _OFFICER, city.clock.now)


def test_a_case_that_went_on_is_not_sent_for(city: City, phones: Phones) -> None:
    quiet = city.with_policy(quiet=Schedule.parse("11:00-14:00", "Asia/Shanghai"))
    number = quiet.confirmed()
    quiet.run()
    quiet.queue.move(number, Action.CITE, "Li")
    quiet.run(3 * 3600)
    assert quiet.notice(number).state == "cancelled"
    assert phones.messages == []


def test_a_notice_waits_through_the_quiet_hours_while_the_vehicle_stays(
    city: City, phones: Phones
) -> None:
    quiet = city.with_policy(quiet=Schedule.parse("11:00-14:00", "Asia/Shanghai"))
    stays, unseen = quiet.confirmed(), quiet.confirmed("浙B00001")
    for _ in range(23):  # until five minutes to two in China
        quiet.run(300)
        quiet.seen(stays)
    assert phones.messages == []
    quiet.run(300)
    assert [message.to for message in phones.messages] == ["13800000000"]
    assert quiet.notice(unseen).state == "dead"


def test_delivery_reports_come_into_the_history(city: City, phones: Phones) -> None:
    phones.reports = True
    number = city.confirmed()
    city.run()
    city.run(30)
    assert city.notice(number).state == "sent"
    phones.said = Report(Outcome.DELIVERED, "DELIVRD")
    assert city.run(60).reports == 1
    assert city.notice(number).state == "delivered"
    assert city.notes(number)[-1] == "the gateway reports: DELIVRD"
    assert not city.run(60)


def test_a_message_that_did_not_arrive_ends_the_grace_time(city: City, phones: Phones) -> None:
    phones.reports = True
    number = city.confirmed()
    city.run()
    phones.said = Report(Outcome.UNDELIVERED, "EXPIRED")
    city.run(40)
    assert city.run(60).escalated == (number,)


def test_reports_are_asked_for_less_and_less_often_and_not_for_ever(
    city: City, phones: Phones
) -> None:
    phones.reports = True
    number = city.confirmed()
    asked: list[str] = []

    class Counting(Phones):
        def report(self, message_id: str) -> Report:
            asked.append(message_id)
            return phones.said

    counting = replace(city, gateway=Counting(reports=True))
    counting.run()
    for _ in range(24 * 5):
        counting.run(3600)
    assert 3 < len(asked) < 20
    assert city.notice(number).state == "sent"


def test_a_number_that_is_unknown_by_now_is_a_dead_letter(city: City, tmp_path: Path) -> None:
    number = city.confirmed()
    city.rounds.decider.run()
    city.registry = registry_of(tmp_path, city.queue, city.clock)  # nothing was imported
    city.run()
    assert city.notice(number).state == "dead"
    assert city.notice(number).error == "the registry has no number"


def test_a_file_of_car_parks_that_is_wrong_holds_no_notice_back(
    city: City, phones: Phones, tmp_path: Path
) -> None:
    city.parks = CarParks(tmp_path / "none.geojson")
    place = {"type": "Point", "coordinates": [121.55, 29.87]}
    city.confirmed(geometry=place, accuracy_m=3.0, basis="homography")
    city.run()
    assert len(phones.messages) == 1
