from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cv_engine.sensors.condition import Condition
from cv_engine.sensors.errors import MessageError
from cv_engine.sensors.message import FIELDS, ClockBounds, Payload, find, read_report
from cv_engine.sensors.report import Position, Report
from tests.sensors.made import at

_NOW = at(1000)


def _read(data: bytes | dict[str, Any], payload: Payload | None = None) -> Report:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return read_report(text, payload or Payload(), _NOW, ClockBounds())


def test_a_message_of_the_own_payload_is_read() -> None:
    read = _read(
        {
            "device": "cover-1",
            "time": at(990).isoformat(),
            "sequence": 7,
            "event": "tilted",
            "tilt_deg": -34.5,
            "displaced": True,
            "acceleration_g": 0.2,
            "battery_pct": 88,
            "position": {"longitude": 121.5, "latitude": 29.8, "accuracy_m": 4},
        }
    )
    assert (read.device, read.at, read.received, read.sequence) == ("cover-1", at(990), _NOW, 7)
    assert (read.event, read.tilt_deg, read.displaced) == (Condition.TILTED, 34.5, True)
    assert (read.acceleration_g, read.battery_pct) == (0.2, 88.0)
    assert read.position == Position(121.5, 29.8, 4.0)
    assert read.time_from == "device"


def test_a_vendors_payload_is_read_by_pointers_events_and_factors() -> None:
    payload = Payload(
        {
            "device": "/deviceInfo/devEui",
            "time": "/rx/0/ms",
            "event": "/object/status",
            "battery_pct": "/object/a~1b~0c",
            "tilt_deg": "/object/angle",
        },
        {"1": "tilted", "9": "heartbeat"},
        {"battery_pct": 100.0},
    )
    sent: dict[str, Any] = {
        "deviceInfo": {"devEui": "a81758fffe03"},
        "rx": [{"ms": at(990).timestamp() * 1000}],
        "object": {"status": 1, "a/b~c": 0.5, "angle": "34.5"},
    }
    read = _read(sent, payload)
    assert (read.device, read.at, read.event) == ("a81758fffe03", at(990), Condition.TILTED)
    assert (read.battery_pct, read.tilt_deg) == (50.0, 34.5)
    sent["object"] = {"status": 9}
    assert _read(sent, payload).event is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"tilted", "not_json"),
        (b"[1]", "not_json"),
        (b"[" * 50_000, "not_json"),
        (b'{"device": "a", "tilt_deg": NaN}', "not_json"),
        (b" " * 70_000, "too_large"),
        (b"{}", "no_device"),
        (b'{"device": ["a"]}', "no_device"),
        (b'{"device": " "}', "no_device"),
        (b'{"device": "a\\u0000b"}', "no_device"),
        (b'{"device": "a", "tilt_deg": 1e999}', "not_json"),
        (b'{"device": "a", "tilt_deg": 181}', "bad_value"),
        (b'{"device": "a", "tilt_deg": true}', "bad_value"),
        (b'{"device": "a", "tilt_deg": "steep"}', "bad_value"),
        (b'{"device": "a", "battery_pct": -1}', "bad_value"),
        (b'{"device": "a", "displaced": 2}', "bad_value"),
        (b'{"device": "a", "sequence": 1.5}', "bad_value"),
        (b'{"device": "a", "event": "exploded"}', "bad_value"),
        (b'{"device": "a", "event": "silent"}', "bad_value"),
        (b'{"device": "a", "position": {"longitude": 121}}', "bad_value"),
        (b'{"device": "a", "position": {"longitude": 121, "latitude": 121}}', "bad_value"),
    ],
)
def test_nonsense_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MessageError) as caught:
        _read(data)
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 300


@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from([*FIELDS, "position", "other"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda each: (
                    st.lists(each, max_size=3)
                    | st.dictionaries(st.sampled_from(["longitude", "latitude"]), each, max_size=3)
                ),
                max_leaves=4,
            ),
        ).map(lambda each: json.dumps({"device": "a", **each}).encode()),
    )
)
def test_any_message_is_read_or_refused(data: bytes) -> None:
    try:
        read = _read(data)
    except MessageError:
        return
    assert -7200 <= (read.at - read.received).total_seconds() <= 60


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (at(940).isoformat(), at(940)),
        ((_NOW + timedelta(seconds=59)).isoformat(), at(1059)),
        ((_NOW - timedelta(hours=1)).isoformat(), at(1000 - 3600)),
        (at(940).timestamp(), at(940)),
        ("2026-05-01T08:15:40+08:00", at(940)),
        ("2026-05-01T00:15:40", at(940)),
        # A clock in the wrong time zone, one that was never set, and no time at all.
        ((_NOW + timedelta(hours=8)).isoformat(), None),
        ((_NOW - timedelta(hours=8)).isoformat(), None),
        (12, None),
        (1e300, None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
    ],
)
def test_a_device_time_that_cannot_be_is_replaced_by_the_time_of_receipt(
    time: object, expected: Any
) -> None:
    read = _read({"device": "a", "time": time})
    assert read.at == (expected or _NOW)
    assert read.time_from == ("receipt" if expected is None else "device")


def test_a_receiver_without_a_fix_gives_no_position() -> None:
    assert _read({"device": "a", "position": {"longitude": 0, "latitude": 0}}).position is None


@pytest.mark.parametrize("pointer", ["/a/9", "/a/-1", "/a/x", "/b/c", "/a/0/c", "/a/" + "9" * 50])
def test_a_pointer_to_nothing_finds_nothing(pointer: str) -> None:
    assert find({"a": [1]}, pointer) is None
