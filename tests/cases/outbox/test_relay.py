"""The relay: at least once, in order per case, retried, and one relay at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cv_engine.cases import Queue, QueueError, open_queue
from cv_engine.cases.outbox.deliveries import LEASE_S
from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.outlet import Selection
from cv_engine.cases.outbox.overview import Overview
from cv_engine.cases.outbox.relay import (
    EVENT_BACKOFF,
    MOST_ATTEMPTS,
    OUTLET_BACKOFF,
    Counts,
    Relay,
)
from tests.cases.made import finding
from tests.cases.outbox.conftest import relay_of
from tests.cases.outbox.receivers import Receiver
from tests.clock import Clock

_HOUR_S = 3600.0


def _file(queue: Queue, zone: str = "pavement") -> int:
    return queue.file(finding(zone=zone)).case_id


def _refusing(*keys: str, error: type[Exception] = Refused) -> Callable[..., None]:
    def answer(events: Sequence[CaseEvent]) -> None:
        if any(event.key in keys for event in events):
            raise error("no")

    return answer


def _drain(relay: Relay) -> Counts:
    total = Counts()
    while counts := relay.run_once():
        total += counts
    return total


def test_everything_filed_after_the_registration_is_sent_in_order(
    queue: Queue, clock: Clock
) -> None:
    _file(queue, "before")
    receiver = Receiver()
    relay = relay_of(queue, receiver, clock)
    one, other = _file(queue, "north"), _file(queue, "south")
    queue.confirm(one, "Wang")
    queue.confirm(other, "Wang")
    assert relay.run_once() == Counts(sent=4)
    assert receiver.keys == ["2-1", "3-1", "2-2", "3-2"]
    assert relay.run_once() == Counts()


def test_what_is_rolled_back_is_not_sent(queue: Queue, clock: Clock) -> None:
    receiver = Receiver()
    relay = relay_of(queue, receiver, clock)
    case = _file(queue)
    with pytest.raises(QueueError):
        queue.reject(case, "Wang", "")
    _drain(relay)
    assert receiver.keys == ["1-1"]


def test_an_outlet_gets_only_what_its_rule_selects(queue: Queue, clock: Clock) -> None:
    receiver = Receiver(selection=Selection(zones=["north"], states=["confirmed"]))
    relay = relay_of(queue, receiver, clock)
    for zone in ("north", "south"):
        queue.confirm(_file(queue, zone), "Wang")
    assert _drain(relay) == Counts(sent=1, skipped=3)
    assert receiver.keys == ["1-2"]


def test_each_outlet_gets_everything(queue: Queue, clock: Clock) -> None:
    receivers = [Receiver("one"), Receiver("two", answer=_refusing("1-1"))]
    relays = [relay_of(queue, each, clock) for each in receivers]
    _file(queue)
    assert [relay.run_once() for relay in relays] == [Counts(sent=1), Counts(dead=1)]
    assert [state.dead for state in Overview(queue.store).outlets()] == [0, 1]


def test_a_refused_event_holds_back_its_case_and_no_other(queue: Queue, clock: Clock) -> None:
    receiver = Receiver(answer=_refusing("1-1"))
    relay = relay_of(queue, receiver, clock)
    one, other = _file(queue, "north"), _file(queue, "south")
    assert relay.run_once() == Counts(sent=1, dead=1)
    queue.confirm(one, "Wang")
    queue.confirm(other, "Wang")
    assert _drain(relay) == Counts(sent=1)
    assert receiver.keys == ["2-1", "2-2"]
    clock.advance(1000 * _HOUR_S)
    assert relay.run_once() == Counts(), "a dead letter is not tried again by itself"


def test_a_dead_letter_that_is_resent_comes_before_the_later_events(
    queue: Queue, clock: Clock
) -> None:
    receiver = Receiver(answer=_refusing("1-1"))
    relay = relay_of(queue, receiver, clock)
    queue.confirm(_file(queue), "Wang")
    _drain(relay)
    (letter,) = Overview(queue.store).dead_letters()
    assert (letter.case_id, letter.seq, letter.event, letter.error) == (1, 1, "filed", "no")
    receiver.answer = lambda events: None
    assert Overview(queue.store).resend([letter.id]) == 1
    _drain(relay)
    assert receiver.keys == ["1-1", "1-2"]
    assert Overview(queue.store).dead_letters() == []


def test_a_dead_letter_that_is_dropped_lets_the_later_events_pass(
    queue: Queue, clock: Clock
) -> None:
    receiver = Receiver(answer=_refusing("1-1"))
    relay = relay_of(queue, receiver, clock)
    queue.confirm(_file(queue), "Wang")
    _drain(relay)
    assert Overview(queue.store).drop() == 1
    _drain(relay)
    assert receiver.keys == ["1-2"]


def test_an_unknown_dead_letter_changes_nothing(queue: Queue, clock: Clock) -> None:
    relay = relay_of(queue, Receiver(answer=_refusing("1-1")), clock)
    _file(queue)
    relay.run_once()
    (letter,) = Overview(queue.store).dead_letters()
    with pytest.raises(QueueError, match=r"no dead letter 99.*nothing was changed"):
        Overview(queue.store).resend([letter.id, 99])
    assert len(Overview(queue.store).dead_letters()) == 1
    with pytest.raises(QueueError):
        Overview(queue.store).drop([2**40])


def test_an_event_whose_attempts_are_used_up_is_a_dead_letter(queue: Queue, clock: Clock) -> None:
    relay = relay_of(queue, Receiver(answer=_refusing("1-1", error=RetryLater)), clock)
    _file(queue)
    for _ in range(MOST_ATTEMPTS - 1):
        assert relay.run_once() == Counts(retried=1)
        assert relay.run_once() == Counts(), "not before the pause is over"
        clock.advance(EVENT_BACKOFF.longest_s)
    assert relay.run_once() == Counts(dead=1)
    (letter,) = Overview(queue.store).dead_letters()
    assert letter.attempts == MOST_ATTEMPTS


def test_a_pause_that_the_outlet_asks_for_is_kept(queue: Queue, clock: Clock) -> None:
    def answer(events: Sequence[CaseEvent]) -> None:
        raise RetryLater("busy", 7200)

    receiver = Receiver(answer=answer)
    relay = relay_of(queue, receiver, clock)
    _file(queue)
    assert relay.run_once() == Counts(retried=1)
    receiver.answer = lambda events: None
    clock.advance(7100)
    assert relay.run_once() == Counts()
    clock.advance(200)
    assert relay.run_once() == Counts(sent=1)


def test_an_outlet_that_is_away_loses_nothing_and_makes_no_dead_letters(
    queue: Queue, clock: Clock
) -> None:
    calls = 0

    def away(events: Sequence[CaseEvent]) -> None:
        nonlocal calls
        calls += 1
        raise OutletAway("no answer")

    receiver = Receiver(answer=away)
    relay = relay_of(queue, receiver, clock)
    for zone in "abcdefgh":
        _file(queue, zone)
    for _ in range(20):
        relay.run_once()
        clock.advance(24 * _HOUR_S)
    assert calls == 20, "one attempt for all events, not one for each"
    (state,) = Overview(queue.store).outlets()
    assert (state.waiting, state.dead, state.error) == (8, 0, "no answer")
    receiver.answer = lambda events: None
    assert _drain(relay) == Counts(sent=8)
    assert Overview(queue.store).outlets()[0].error is None


def test_an_event_that_alone_makes_the_outlet_fail_does_not_block_other_cases(
    queue: Queue, clock: Clock
) -> None:
    receiver = Receiver(answer=_refusing("1-1", error=OutletAway))
    relay = relay_of(queue, receiver, clock)
    for zone in "abc":
        _file(queue, zone)
    for _ in range(5):
        relay.run_once()
        clock.advance(OUTLET_BACKOFF.longest_s)
    assert receiver.keys == ["2-1", "3-1"]


def test_a_fault_in_an_outlet_is_a_failed_attempt(queue: Queue, clock: Clock) -> None:
    receiver = Receiver(answer=_refusing("1-1", error=ZeroDivisionError))
    relay = relay_of(queue, receiver, clock)
    _file(queue)
    assert relay.run_once() == Counts(retried=1)
    receiver.answer = lambda events: None
    clock.advance(EVENT_BACKOFF.first_s)
    assert relay.run_once() == Counts(sent=1)


def test_what_was_sent_before_a_crash_is_sent_again_with_the_same_key(
    queue: Queue, clock: Clock
) -> None:
    class Crash(BaseException):
        pass

    receiver = Receiver(answer=lambda events: None)
    relay = relay_of(queue, receiver, clock)
    _file(queue, "north"), _file(queue, "south")
    record = relay._deliveries.record

    def crash(*_: object) -> None:
        raise Crash

    relay._deliveries.record = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(Crash):
        relay.run_once()
    relay._deliveries.record = record  # type: ignore[method-assign]
    successor = relay_of(queue, receiver, clock)
    assert successor.run_once() == Counts(), "the lease of the crashed one is respected"
    clock.advance(LEASE_S)
    assert successor.run_once() == Counts(sent=2)
    assert receiver.keys == ["1-1", "2-1"] * 2


def test_no_two_relays_send_at_the_same_time(where: str, clock: Clock) -> None:
    with open_queue(where) as queue, open_queue(where) as same:
        receiver = Receiver()
        one, other = relay_of(queue, receiver, clock), relay_of(same, receiver, clock)
        seen: list[Counts] = []
        receiver.answer = lambda events: seen.append(other.run_once())
        _file(queue)
        assert one.run_once() == Counts(sent=1)
        assert seen == [Counts()]
        assert receiver.keys == ["1-1"]
        _file(queue, "elsewhere")
        receiver.answer = lambda events: None
        assert other.run_once() == Counts(sent=1), "the lease is given back"


def test_a_time_that_a_wrong_clock_wrote_does_not_stop_the_outlet(
    queue: Queue, clock: Clock
) -> None:
    receiver = Receiver(answer=_refusing("1-1", error=OutletAway))
    relay = relay_of(queue, receiver, clock)
    _file(queue)
    clock.advance(365 * 24 * _HOUR_S)
    assert relay.run_once() == Counts(retried=1)
    clock.advance(-365 * 24 * _HOUR_S)
    receiver.answer = lambda events: None
    assert relay.run_once() == Counts(sent=1)


def test_a_digest_has_all_events_of_its_interval(queue: Queue, clock: Clock) -> None:
    receiver = Receiver(at_once=100, every_s=900)
    relay = relay_of(queue, receiver, clock)
    one = _file(queue, "north")
    assert relay.run_once() == Counts(sent=1), "the first is sent at once"
    queue.confirm(one, "Wang")
    _file(queue, "south")
    assert relay.run_once() == Counts()
    clock.advance(899)
    assert relay.run_once() == Counts()
    clock.advance(1)
    assert relay.run_once() == Counts(sent=2)
    assert receiver.messages == [["1-1"], ["1-2", "2-1"]]


def test_a_digest_that_failed_is_tried_again_whole(queue: Queue, clock: Clock) -> None:
    receiver = Receiver(at_once=100, every_s=60, answer=_refusing("1-1", error=RetryLater))
    relay = relay_of(queue, receiver, clock)
    queue.confirm(_file(queue, "north"), "Wang")
    _file(queue, "south")
    assert relay.run_once() == Counts(retried=3)
    receiver.answer = lambda events: None
    clock.advance(60)
    assert relay.run_once() == Counts(sent=3)
    assert receiver.messages == [["1-1", "1-2", "2-1"]]


def test_nothing_is_sent_to_an_outlet_that_is_not_open(queue: Queue, clock: Clock) -> None:
    receiver = Receiver(opened=lambda now: False)
    relay = relay_of(queue, receiver, clock)
    _file(queue)
    assert relay.run_once() == Counts()
    receiver.opened = lambda now: True
    assert relay.run_once() == Counts(sent=1)


def test_a_removed_outlet_receives_nothing_more(queue: Queue, clock: Clock) -> None:
    receiver = Receiver()
    relay = relay_of(queue, receiver, clock)
    _file(queue, "north")
    assert Overview(queue.store).remove("city") == 1
    _file(queue, "south")
    assert relay.run_once() == Counts()
    assert Overview(queue.store).outlets() == []
    with pytest.raises(QueueError, match="no outlet 'city'"):
        Overview(queue.store).remove("city")


def test_the_overview_says_what_waits_and_since_when(queue: Queue, clock: Clock) -> None:
    relay = relay_of(queue, Receiver(answer=_refusing("1-1")), clock)
    _file(queue, "north")
    relay.run_once()
    case = _file(queue, "south")
    (state,) = Overview(queue.store).outlets()
    assert (state.name, state.since, state.waiting, state.dead) == ("city", clock.now, 1, 1)
    assert state.oldest == queue.history(case)[0].at
