from __future__ import annotations

import importlib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.commands import cameras as presentation
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, describe
from cv_engine.commands.options import Format
from cv_engine.commands.session import Session
from cv_engine.config import load_config
from cv_engine.discovery import (
    Device,
    DiscoveryError,
    discover,
    onvif_streams,
    streams,
    streams_of,
)
from cv_engine.discovery.onvif_streams import without_secrets
from cv_engine.discovery.ws_discovery import devices_in, printable
from tests.discovery.onvif_device import PASSWORD, USER, OnvifDevice, Responder, probe_match

# A probe over loopback takes a millisecond; the rest is for a busy machine.
WAIT_S = 0.5
_numbers = itertools.count(1)

needs_onvif = pytest.mark.skipif(
    importlib.util.find_spec("onvif") is None, reason="the extra onvif is not installed"
)


@pytest.fixture
def asker() -> str:
    """An address of loopback that no other test asks from; skips where it has no multicast."""
    pid = os.getpid()
    own = f"127.{1 + pid % 200}.{pid // 200 % 250}.{next(_numbers)}"
    try:
        Responder(own, []).close()
        discover(0.01, interfaces=[own])
    except (OSError, DiscoveryError) as error:
        pytest.skip(f"multicast over loopback is not possible here: {error}")
    return own


def device(service: str) -> Device:
    return Device("urn:uuid:1", "127.0.0.1", "Market Street", "", "", (service,))


def test_a_camera_that_answers_is_found_with_its_properties(asker: str) -> None:
    scopes = (
        "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Market%20Street "
        "onvif://www.onvif.org/hardware/IPC-1 onvif://www.onvif.org/location/country/china "
        "onvif://www.onvif.org/location/city/%E5%AE%81%E6%B3%A2"
    )
    services = "http://[fe80::1]/onvif/device_service http://127.0.0.1:81/onvif/device_service"
    answer = probe_match("urn:uuid:1", scopes=scopes, services=services)
    with Responder(asker, [answer]):
        found = discover(WAIT_S, interfaces=[asker])
    assert found == [
        Device(
            endpoint="urn:uuid:1",
            address="127.0.0.1",
            name="Market Street",
            hardware="IPC-1",
            location="country/china, city/宁波",
            # First the one on the address that is known to answer.
            services=(
                "http://127.0.0.1:81/onvif/device_service",
                "http://[fe80::1]/onvif/device_service",
            ),
        )
    ]


def test_answers_of_one_endpoint_are_one_device(asker: str) -> None:
    answers = [
        probe_match("urn:uuid:b", services="http://127.0.0.1/b"),
        probe_match("urn:uuid:a", services="http://127.0.0.1/a"),
        probe_match("urn:uuid:b", services="http://127.0.0.1/b http://127.0.0.1/c"),
    ]
    with Responder(asker, answers):
        found = discover(WAIT_S, interfaces=[asker])
    assert [(one.endpoint, one.services) for one in found] == [
        ("urn:uuid:a", ("http://127.0.0.1/a",)),
        ("urn:uuid:b", ("http://127.0.0.1/b", "http://127.0.0.1/c")),
    ]


def test_all_devices_of_a_full_network_are_found(asker: str) -> None:
    with Responder(asker, [probe_match(f"urn:uuid:{number}") for number in range(254)]):
        assert len(discover(2.5, interfaces=[asker])) == 254


NOT_ANSWERS = [
    b"",
    b"\x00\xff\xfe not xml",
    b"<a/>",
    b"<?xml version='1.0' encoding='nonsense'?><a/>",
    b"<a>" * 5000,
    probe_match("urn:uuid:x").replace(b"</s:Header>", b""),
    probe_match(""),
    probe_match("urn:uuid:printer", types="wsdp:Device", scopes=""),
    b"<!DOCTYPE a [<!ENTITY b 'b'>]><a>&c;</a>",
]


def test_garbage_does_not_hide_the_other_devices(asker: str) -> None:
    good = probe_match("urn:uuid:good").replace(b"<s:Body>", b"<s:Body>\n")
    with Responder(asker, [*NOT_ANSWERS, good]):
        found = discover(WAIT_S, interfaces=["192.0.2.77", asker])
    assert [one.endpoint for one in found] == ["urn:uuid:good"]


@pytest.mark.parametrize("data", NOT_ANSWERS)
def test_other_datagrams_give_no_device(data: bytes) -> None:
    assert devices_in(data, "192.0.2.1") == []


@given(st.binary())
def test_no_datagram_breaks_the_search(data: bytes) -> None:
    assert devices_in(data, "192.0.2.1") == []


@given(st.text())
def test_control_characters_never_reach_the_terminal(text: str) -> None:
    assert printable(text).isprintable()


def test_control_characters_of_a_name_are_left_out() -> None:
    (found,) = devices_in(
        probe_match("urn:uuid:1", scopes="onvif://www.onvif.org/name/a%1B[2J%0Ab"), "192.0.2.1"
    )
    assert found.name == "a[2J b"


@pytest.mark.parametrize(
    "service", ["ftp://192.0.2.1/a", "http://", "http://[::1/a", "http://a:99999/b", "javascript:a"]
)
def test_unusable_addresses_are_left_out(service: str) -> None:
    (found,) = devices_in(probe_match("urn:uuid:1", services=service), "192.0.2.1")
    assert found.services == ()


def test_a_missing_network_is_reported() -> None:
    with pytest.raises(DiscoveryError, match="no network to look for cameras on") as caught:
        discover(WAIT_S, interfaces=["192.0.2.77"])  # no address of this machine
    assert describe(caught.value)[1] == ExitCode.FAILED


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("ifaddr", lambda: discover(WAIT_S)),
        ("onvif", lambda: streams(device("http://127.0.0.1:9/"), USER, PASSWORD)),
    ],
)
def test_a_missing_extra_is_reported_with_how_to_install_it(
    package: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DiscoveryError, match=r"pip install 'cv-engine\[onvif\]'") as caught:
        call()
    assert describe(caught.value)[1] == ExitCode.WRONG_INPUT


@needs_onvif
@pytest.mark.parametrize(
    "camera",
    [
        pytest.param(OnvifDevice(), id="as most are"),
        pytest.param(OnvifDevice(services_known=False), id="old: GetCapabilities only"),
        pytest.param(OnvifDevice(ahead=timedelta(days=-9000)), id="its clock was never set"),
    ],
)
def test_a_camera_lists_its_streams_to_its_user(camera: OnvifDevice) -> None:
    with camera:
        main, sub = streams(device(camera.service), USER, PASSWORD)
    assert (main.profile, main.codec, main.width, main.height) == ("main", "H264", 1920, 1080)
    assert (main.rate, main.url) == (25.0, "rtsp://127.0.0.1:8554/main")
    assert (sub.profile, sub.width, sub.source) == ("sub", 640, main.source)


@needs_onvif
@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("stranger", PASSWORD)])
def test_a_wrong_password_is_reported_and_not_tried_often(user: str, password: str) -> None:
    with (
        OnvifDevice() as camera,
        pytest.raises(DiscoveryError, match="refuses the user") as caught,
    ):
        streams(device(camera.service), user, password)
    assert password not in str(caught.value)
    # Cameras lock a user out after five wrong tries or so.
    assert len([name for name in camera.asked if name != "GetSystemDateAndTime"]) <= 2


@needs_onvif
def test_a_device_that_answers_nonsense_does_not_stop_the_others() -> None:
    with OnvifDevice() as good, OnvifDevice(says=b"<html>hello") as bad:
        with OnvifDevice() as gone:
            service = gone.service
        devices = [device(bad.service), device(service), device(good.service)]
        nonsense, absent, told = streams_of(devices, USER, PASSWORD)
    assert "does not answer as an ONVIF device" in str(nonsense)
    assert re.search(r"cannot be reached \(.*refused", str(absent))
    assert isinstance(told, list) and len(told) == 2


@needs_onvif
def test_a_silent_device_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(onvif_streams, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_at = f"http://127.0.0.1:{silent.getsockname()[1]}/onvif/device_service"
        with pytest.raises(DiscoveryError, match="does not answer within"):
            streams(device(silent_at), USER, PASSWORD)


@needs_onvif
@pytest.mark.parametrize("uri", ["file:///etc/passwd", "", "http://127.0.0.1/picture"])
def test_only_stream_addresses_are_accepted(uri: str) -> None:
    with (
        OnvifDevice(uri=lambda token: uri) as camera,
        pytest.raises(DiscoveryError, match="offers no RTSP stream"),
    ):
        streams(device(camera.service), USER, PASSWORD)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("rtsp://192.0.2.1/a", "rtsp://192.0.2.1/a"),
        ("rtsp://192.0.2.1:554/a@b?channel=1", "rtsp://192.0.2.1:554/a@b?channel=1"),
        ("rtsp://viewer:other@192.0.2.1/a", "rtsp://192.0.2.1/a"),
        (f"rtsp://viewer:{PASSWORD}@192.0.2.1/a", "rtsp://192.0.2.1/a"),
        ("rtsp://viewer:se%2Fcr%40t%201%26%3F@192.0.2.1/a", "rtsp://192.0.2.1/a"),
        ("rtsp://192.0.2.1/?key=se%2Fcr%40t%201%26%3F&c=1", "rtsp://192.0.2.1/?key=***&c=1"),
        ("rtsp://192.0.2.1/?user=a&pwd=b&c=1", "rtsp://192.0.2.1/?user=a&pwd=***&c=1"),
        (
            "rtsp://192.0.2.1/user=a_password=tlJwpbo6_channel=1_stream=0.sdp",
            "rtsp://192.0.2.1/user=a_password=***_channel=1_stream=0.sdp",
        ),
    ],
)
def test_no_password_is_left_in_an_address(url: str, bare: str) -> None:
    assert without_secrets(url, PASSWORD) == bare


@needs_onvif
@pytest.mark.parametrize("format", list(Format))
def test_the_found_cameras_can_be_pasted_and_no_password_is_shown(
    asker: str, format: Format, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def uri(token: str) -> str:
        return f"rtsp://{USER}:{PASSWORD}@127.0.0.1:8554/{token}"

    profiles = (("a", "v1", 640, 360), ("b", "v1", 1920, 1080), ("c", "v2", 1920, 1080))
    with OnvifDevice(profiles, uri) as camera, OnvifDevice(says=b"no") as bad:
        answers = [
            probe_match("urn:uuid:1", services=camera.service),
            probe_match("urn:uuid:2", services=bad.service, scopes=""),
        ]
        with Responder(asker, answers):
            session = Session(None, None, format)
            code = presentation.discover_cameras(
                session, WAIT_S, USER, PASSWORD, interfaces=[asker]
            )
    out, err = capfd.readouterr()
    assert code is ExitCode.FAILED  # of the one that answers nonsense
    assert PASSWORD not in out + err
    assert "does not answer as an ONVIF device" in err
    if format is Format.JSONL:
        rows = [json.loads(line) for line in out.splitlines()]
        assert [len(row["streams"]) for row in rows] == [3, 0]
        assert rows[0]["streams"][1]["url"] == "rtsp://127.0.0.1:8554/b"
        assert rows[1]["problem"] is not None
        return
    assert "H264 1920x1080 25/s" in out
    pasted = tmp_path / "config.yaml"
    pasted.write_text(err[err.index("cameras:") :], encoding="utf-8")
    cameras = load_config(pasted).cameras
    assert [(camera.name, camera.user, camera.password_env) for camera in cameras] == [
        ("market-street-127-0-0-1", USER, presentation.PASSWORD_VARIABLE),
        ("market-street-127-0-0-1-2", USER, presentation.PASSWORD_VARIABLE),
    ]
    # Of each picture the largest stream.
    assert [camera.url.get_secret_value() for camera in cameras if camera.url is not None] == [
        "rtsp://127.0.0.1:8554/b",
        "rtsp://127.0.0.1:8554/c",
    ]


def test_without_a_user_the_devices_are_shown(
    asker: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Responder(asker, [probe_match("urn:uuid:1")]):
        session = Session(None, None)
        assert presentation.discover_cameras(session, WAIT_S, None, None, interfaces=[asker]) == 0
    out, err = capfd.readouterr()
    assert "Market Street" in out
    assert "--user" in err


def test_no_answer_is_reported_with_what_to_check(
    asker: str, capfd: pytest.CaptureFixture[str]
) -> None:
    session = Session(None, None, Format.JSONL)
    assert presentation.discover_cameras(session, 0.05, None, None, interfaces=[asker]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "UDP port 3702" in err


def test_the_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(presentation.PASSWORD_VARIABLE, PASSWORD)
    assert presentation.read_password(USER) == PASSWORD


def test_without_a_terminal_or_variable_the_password_is_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(presentation.PASSWORD_VARIABLE, raising=False)
    with (tmp_path / "empty").open("w+") as no_terminal:
        monkeypatch.setattr(sys, "stdin", no_terminal)
        with pytest.raises(InputError, match=presentation.PASSWORD_VARIABLE):
            presentation.read_password(USER)


@needs_onvif
def test_the_library_does_not_turn_on_logging() -> None:
    import subprocess

    code = (
        "import logging; from cv_engine.discovery.onvif_streams import onvif_library as library; "
        "library(); "
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "30"]
