from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given

from cv_engine.sensors.condition import Change, Condition
from cv_engine.sensors.device import (
    Device,
    DeviceState,
    Outcome,
    Watching,
    receive,
    wake,
    wake_at,
)
from cv_engine.sensors.report import Delivery, Report
from tests.sensors.made import at, device, report

_WATCHING = Watching()
T, N, L = Condition.TILTED, Condition.NORMAL, Condition.LOST


def _day(deliveries: list[tuple[float, Report]], until: float) -> tuple[Device, list[Change]]:
    """The device and its changes after messages that arrive at some times, woken when due."""
    one, changes = device(), list[Change]()

    def woken(before: Device, to: float) -> Device:
        for _ in range(1000):
            due = wake_at(before, _WATCHING)
            if due is None or due > at(to):
                return before
            before, more = wake(before, max(due, before.registered_at), _WATCHING)
            changes.extend(more)
        raise AssertionError("woken without end")

    for arrival, each in sorted(deliveries, key=lambda pair: pair[0]):
        one = woken(one, arrival)
        one, more, _ = receive(one, replace(each, received=at(arrival)), _WATCHING)
        changes.extend(more)
    return woken(one, until), changes


_REPORTS = st.lists(
    st.tuples(st.integers(1, 700), st.sampled_from([N, N, T, L, Condition.BOUNCING])),
    min_size=1,
    max_size=25,
)


@given(_REPORTS, st.randoms(use_true_random=False), st.integers(0, 4))
def test_duplicates_and_reordered_messages_change_nothing(
    steps: list[tuple[int, Condition]], chance: random.Random, delay: int
) -> None:
    seconds, sent = 0, []
    for number, (step, event) in enumerate(steps):
        seconds += step
        sent.append(report(seconds, event=event, sequence=number))
    plain = [((each.at - at(0)).total_seconds(), each) for each in sent]
    disturbed = [(when + chance.uniform(0, delay), each) for when, each in plain]
    disturbed += [(when + chance.uniform(0, 4000), each) for when, each in plain]
    expected, changes = _day(plain, seconds + 20_000)
    found, disturbed_changes = _day(disturbed, seconds + 20_000)
    assert disturbed_changes == changes
    assert found.state.fault == expected.state.fault


def test_a_message_older_than_the_last_applied_one_says_nothing_about_the_present() -> None:
    one, _ = _day([(100, report(100, event=N))], 110)
    one, changes, outcome = receive(one, report(50, 110, event=T), _WATCHING)
    assert (outcome, changes) == (Outcome.LATE, ())
    assert wake(one, at(1000), _WATCHING)[1] == ()
    assert one.seen_at == at(110)


def test_messages_that_the_broker_kept_have_the_times_at_which_they_were_sent() -> None:
    kept = [(5000.0 + i / 100, report(1000 + 100 * i, event=T if i < 5 else N)) for i in range(10)]
    _, changes = _day(kept, 20_000)
    assert [(each.after, each.at) for each in changes] == [(T, at(1000)), (N, at(1500))]


def test_a_brief_fault_that_the_broker_kept_is_no_finding() -> None:
    kept = [(5000.0, report(1000, event=T)), (5000.01, report(1010, event=N))]
    assert _day(kept, 20_000)[1] == []


def test_a_device_whose_clock_is_slow_is_damped_as_any_other() -> None:
    # The clock is 100 s slow: the fault, denied after 20 s, must not count for longer.
    slow = [(100.0, report(0, event=T)), (120.0, report(20, event=N))]
    assert _day(slow, 20_000)[1] == []
    _, changes = _day(slow[:1], 20_000)
    assert [(each.after, each.at) for each in changes] == [(T, at(0))]


def test_a_clock_that_is_set_back_is_noticed_by_the_number_of_the_message() -> None:
    one, _ = _day([(4000, report(4000, event=N, sequence=8))], 4010)
    one, _, outcome = receive(one, report(500, 4100, event=T, sequence=9), _WATCHING)
    assert outcome is Outcome.HELD
    _, changes = wake(one, at(4200), _WATCHING)
    assert [(each.after, each.at) for each in changes] == [(T, at(4100))]
    assert changes[0].values["time_from"] == "receipt"


def test_a_message_without_time_and_number_may_be_repeated_by_the_device() -> None:
    plain: dict[str, Any] = {
        "event": T,
        "numbered": False,
        "time_from": "receipt",
        "identity": "same",
    }
    one, _, first = receive(device(), report(0, **plain), _WATCHING)
    one, _, second = receive(one, report(10, **plain), _WATCHING)
    one, _, repeated = receive(one, report(20, **plain), _WATCHING, Delivery.AGAIN)
    assert (first, second, repeated) == (Outcome.HELD, Outcome.HELD, Outcome.DUPLICATE)


def test_a_redelivered_message_without_time_counts_if_it_was_not_the_last() -> None:
    plain: dict[str, Any] = {"numbered": False, "time_from": "receipt"}
    one, _, _ = receive(device(), report(0, event=T, identity="t", **plain), _WATCHING)
    one, _, _ = receive(one, report(10, event=N, identity="n", **plain), _WATCHING)
    again = report(3000, event=T, identity="t", **plain)
    assert receive(one, again, _WATCHING, Delivery.AGAIN)[2] is Outcome.HELD


def test_a_retained_message_shows_no_sign_of_life() -> None:
    one = device()
    one, _, outcome = receive(one, report(10, 100, event=N), _WATCHING, Delivery.RETAINED)
    assert (outcome, one.seen_at) == (Outcome.HELD, None)
    unknown = report(100, time_from="receipt", event=T)
    assert receive(one, unknown, _WATCHING, Delivery.RETAINED)[2] is Outcome.RETAINED


def test_a_device_without_messages_is_silent_until_the_next_one() -> None:
    one, changes = _day([(100, report(100, event=N))], 100 + 172_800)
    assert [(each.after, each.at) for each in changes] == [(Condition.SILENT, at(100))]
    assert one.condition is Condition.SILENT
    one, changes_back, _ = receive(one, report(200_000, battery_pct=50.0), _WATCHING)
    assert [(each.before, each.after) for each in changes_back] == [(Condition.SILENT, N)]
    assert one.condition is N


def test_silence_counts_from_when_the_program_could_hear() -> None:
    one = replace(device(), seen_at=at(0), listened_from=at(100_000))
    assert wake(one, at(172_800), _WATCHING)[1] == ()
    assert wake(one, at(272_800), _WATCHING)[1] != ()


def test_a_device_of_its_own_rhythm_is_silent_by_its_own_limit() -> None:
    assert wake(device(silent_s=3600), at(3600), _WATCHING)[1] != ()


def test_a_device_that_was_taken_is_not_a_maintenance_case_too() -> None:
    one, changes = _day([(0, report(0, event=L))], 1_000_000)
    assert [each.after for each in changes] == [L]
    assert wake_at(one, _WATCHING) is None


def test_a_device_that_sends_without_end_is_applied_at_once() -> None:
    one = device()
    for number in range(500):
        one, _, _ = receive(one, report(number / 1000, event=T, sequence=number), _WATCHING)
        assert len(one.state.held) <= 33
    assert one.state.fault.condition is T


@given(_REPORTS)
def test_the_state_survives_its_way_through_json(steps: list[tuple[int, Condition]]) -> None:
    one, seconds = device(), 0
    for step, event in steps:
        seconds += step
        one, _, _ = receive(one, report(seconds, event=event, tilt_deg=20.0), _WATCHING)
        one, _ = wake(one, at(seconds) + timedelta(seconds=1), _WATCHING)
        text = msgspec.json.encode(msgspec.to_builtins(one.state))
        assert msgspec.convert(msgspec.json.decode(text), DeviceState) == one.state
