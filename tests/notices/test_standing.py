"""No thousand wrong letters: new zones have to be proven, and a surge stops a zone's notices."""

from __future__ import annotations

import pytest

from cv_engine.cases import Actor, Event, ForbiddenError, Role, State
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.overview import Overview, ZoneState
from cv_engine.notices.standing import Ground
from tests.notices.made import POLICY, City, Phones

_AT_ONCE = {"notice": "at_once"}
_CHIEF = Actor("Chen", Role.SUPERVISOR)
_PAVEMENT = Ground("market-street", "pavement")
_DAY_S = 86_400.0


def _zone(city: City) -> ZoneState:
    (found,) = Overview(city.queue.store).zones(city.policy.proof, city.clock.now)
    return found


def test_notices_go_out_by_themselves_once_people_have_confirmed_enough(
    city: City, phones: Phones
) -> None:
    city = city.with_policy(proof=3, surge_least=100)
    for missing in (3, 2, 1):
        number = city.park(None, attributes=_AT_ONCE)
        city.run()
        assert _zone(city).missing == missing
        assert city.state(number) == (State.REPORTED, None)
        city.queue.confirm(number, "Wang")
        city.run(60)
    number = city.park(attributes=_AT_ONCE)
    assert city.run().asked == (number,)
    assert [entry.by for entry in city.queue.history(number)] == ["cv-engine"] * 4
    assert _zone(city).proven_at == city.clock.now
    assert len(phones.messages) == 1


def test_a_rejection_begins_the_count_again(city: City, phones: Phones) -> None:
    city = city.with_policy(proof=2, surge_least=100)
    for verdict in ("confirm", "reject", "confirm"):
        number = city.park(None, attributes=_AT_ONCE)
        getattr(city.queue, verdict)(number, "Wang", "seen")
        city.run(60)
    city.park(attributes=_AT_ONCE)
    city.run()
    assert _zone(city).missing == 1
    assert phones.messages == []


def test_another_camera_of_the_zone_has_to_be_proven_itself(city: City, phones: Phones) -> None:
    city = city.with_policy(proof=1, surge_least=100)
    city.queue.confirm(city.park(None), "Wang")
    other = city.park(source="new-camera", attributes=_AT_ONCE)
    city.run()
    assert city.state(other) == (State.REPORTED, None)
    assert phones.messages == []


def _usual_days(city: City, days: int, cases: int) -> None:
    """Days on which a zone has some cases each, whose plates cannot be read."""
    for _ in range(days):
        for _ in range(cases):
            city.park(None)
            city.clock.advance(_DAY_S / cases)


def test_a_surge_stops_the_zone_and_tells_the_supervisor_once(city: City, phones: Phones) -> None:
    city = city.with_policy(surge_factor=2.0, surge_least=5)
    _usual_days(city, days=4, cases=4)  # 2 x 4 is the most for a day
    for _ in range(5):
        city.park(None)
    asked = city.confirmed()  # the day's tenth at most
    city.run()
    held = city.confirmed("浙B00001")
    city.run()
    zone = _zone(city)
    assert zone.stopped_at is not None
    assert zone.stopped_by == "cv-engine"
    assert "usually 4." in (zone.why or "")
    stopped = [number for number in (asked, held) if city.case(number).handling.alert]
    assert len(stopped) == 1
    note = city.notes(stopped[0], Event.ESCALATED)[0]
    assert "cv-engine notices release" in note
    sent = len(phones.messages)
    city.confirmed("浙B00002")
    city.run(60)
    assert len(phones.messages) == sent
    assert len(city.notes(stopped[0], Event.ESCALATED)) == 1


def test_the_usual_number_is_no_surge(city: City, phones: Phones) -> None:
    city = city.with_policy(surge_factor=2.0, surge_least=5)
    _usual_days(city, days=4, cases=8)
    city.confirmed()
    city.run()
    assert len(phones.messages) == 1


def test_other_zones_go_on(city: City, phones: Phones) -> None:
    city = city.with_policy(surge_least=3)
    for _ in range(4):
        city.confirmed(None)
    held, other = city.confirmed(), city.confirmed("浙B00001", zone="bus lane")
    city.run()
    assert [city.state(each)[0] for each in (held, other)] == [State.CONFIRMED, State.NOTICED]


def test_a_supervisor_releases_and_what_is_usual_now_does_not_stop_again(
    city: City, phones: Phones
) -> None:
    city = city.with_policy(surge_least=3)
    for _ in range(4):
        city.confirmed(None)
    held = city.confirmed()
    city.run()
    overview = Overview(city.queue.store)
    with pytest.raises(ForbiddenError):
        overview.release(_PAVEMENT, Actor("Li"), POLICY.kinds, city.clock.now)
    overview.release(_PAVEMENT, _CHIEF, POLICY.kinds, city.clock.now)
    with pytest.raises(NoticeError, match="are not stopped"):
        overview.release(_PAVEMENT, _CHIEF, POLICY.kinds, city.clock.now)
    city.run(60)
    assert city.state(held) == (State.NOTICED, None)
    for _ in range(9):  # three times the five that the supervisor has seen
        city.confirmed(None)
    city.confirmed("浙B00001")
    city.run()
    assert _zone(city).stopped_at is None
    city.confirmed(None)
    city.confirmed("浙B00002")
    city.run()
    assert _zone(city).stopped_at is not None


def test_a_stop_holds_what_waits_to_be_sent(city: City, phones: Phones) -> None:
    number = city.confirmed()
    city.rounds.decider.run()
    overview = Overview(city.queue.store)
    with pytest.raises(ForbiddenError):
        overview.stop(_PAVEMENT, Actor("Li"), "wrong map", city.clock.now)
    with pytest.raises(NoticeError, match="no case was found in zone 'pavment'"):
        overview.stop(Ground("market-street", "pavment"), _CHIEF, "wrong map", city.clock.now)
    overview.stop(_PAVEMENT, _CHIEF, "wrong map", city.clock.now)
    with pytest.raises(NoticeError, match="stopped already"):
        overview.stop(_PAVEMENT, _CHIEF, "wrong map", city.clock.now)
    city.run()
    assert phones.messages == []
    overview.release(_PAVEMENT, _CHIEF, POLICY.kinds, city.clock.now)
    city.run()
    assert city.notice(number).state == "sent"
