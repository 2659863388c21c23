"""MQTT to a real mosquitto: acknowledged, by topic, through an absence, with login and TLS."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cv_engine.cases import Queue
from cv_engine.cases.outbox.errors import OutletError
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.mqtt import Mqtt, check_topic, topic_of
from cv_engine.cases.outbox.overview import Overview
from cv_engine.cases.outbox.relay import OUTLET_BACKOFF, Counts
from tests.cases.made import finding
from tests.cases.outbox.conftest import relay_of
from tests.cases.outbox.receivers import until
from tests.clock import Clock
from tests.mosquitto import Mosquitto

_TOPIC = "city/{zone}/{kind}/{case}"


def test_the_broker_gets_every_event_in_order(
    queue: Queue, mosquitto: Mosquitto, clock: Clock
) -> None:
    outlet = Mqtt("broker", "127.0.0.1", mosquitto.port, _TOPIC)
    relay = relay_of(queue, outlet, clock)
    with mosquitto.subscribed("city/#") as messages:
        case = queue.file(finding(zone="north/1")).case_id
        queue.confirm(case, "Wang")
        assert relay.run_once() == Counts(sent=2)
        until(lambda: len(messages) == 2)
    outlet.close()
    assert [topic for topic, _ in messages] == ["city/north-1/motor_vehicle_parked/1"] * 2
    assert [json.loads(body)["id"] for _, body in messages] == ["1-1", "1-2"]


def test_a_broker_that_goes_away_and_comes_back_misses_nothing(
    queue: Queue, mosquitto: Mosquitto, clock: Clock
) -> None:
    outlet = Mqtt("broker", "127.0.0.1", mosquitto.port, _TOPIC)
    relay = relay_of(queue, outlet, clock)
    queue.file(finding(zone="a"))
    assert relay.run_once() == Counts(sent=1)
    mosquitto.stop()
    for zone in "bc":
        queue.file(finding(zone=zone))
    for _ in range(3):
        assert relay.run_once() == Counts(retried=1)
        clock.advance(OUTLET_BACKOFF.longest_s)
    assert Overview(queue.store).outlets()[0].waiting == 2
    mosquitto.start()
    with mosquitto.subscribed() as messages:
        assert relay.run_once() == Counts(sent=2)
        until(lambda: len(messages) == 2)
    outlet.close()
    assert sorted(json.loads(body)["id"] for _, body in messages) == ["2-1", "3-1"]


def test_the_login_is_used_and_a_wrong_one_waits(
    queue: Queue, mosquitto: Mosquitto, tmp_path: Path, clock: Clock
) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("no mosquitto_passwd is installed")
    users = tmp_path / "users"
    subprocess.run([program, "-b", "-c", str(users), "engine", "right"], check=True)
    mosquitto.restart("allow_anonymous false", f"password_file {users}")
    try:
        wrong = Mqtt("wrong", "127.0.0.1", mosquitto.port, _TOPIC, user="engine", password="false")
        right = replace(wrong, name="right", password="right")
        relays = [relay_of(queue, outlet, clock) for outlet in (wrong, right)]
        queue.file(finding())
        with mosquitto.subscribed(username="engine", password="right") as messages:
            assert [relay.run_once() for relay in relays] == [Counts(retried=1), Counts(sent=1)]
            until(lambda: messages)
    finally:
        right.close()
    error = {state.name: state.error for state in Overview(queue.store).outlets()}["wrong"]
    assert error is not None
    assert "Not authorized" in error
    assert "false" not in error


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_is_reached_by_tls_and_only_with_a_certificate_that_is_trusted(
    queue: Queue, mosquitto: Mosquitto, tmp_path: Path, clock: Clock
) -> None:
    from tests.cases.outbox.certificates import write_certificate

    certificate, key = write_certificate(tmp_path)
    mosquitto.restart(f"certfile {certificate}", f"keyfile {key}")
    try:
        trusting = Mqtt(
            "city", "127.0.0.1", mosquitto.port, _TOPIC, tls=True, tls_ca=str(certificate)
        )
        doubting = replace(trusting, name="system", tls_ca=None)
        relays = [relay_of(queue, outlet, clock) for outlet in (trusting, doubting)]
        queue.file(finding())
        assert [relay.run_once() for relay in relays] == [Counts(sent=1), Counts(retried=1)]
    finally:
        trusting.close()
    error = {state.name: state.error for state in Overview(queue.store).outlets()}["system"]
    assert error is not None
    assert "certificate verify failed" in error


def test_names_cannot_leave_their_part_of_the_topic(queue: Queue) -> None:
    case = queue.file(finding(zone="#", source="a/+/b")).case_id
    event = CaseEvent(queue.get(case), queue.history(case)[0])
    assert topic_of("{source}/{zone}/{event}/{state}", event) == "a---b/-/filed/reported"


@pytest.mark.parametrize("topic", ["", "city/#", "+/x", "{nothing}", "{zone!r}", "{zone:>9}", "{"])
def test_a_topic_that_cannot_be_published_to_is_refused(topic: str) -> None:
    with pytest.raises(OutletError):
        check_topic(topic)
