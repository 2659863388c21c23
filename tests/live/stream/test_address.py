"""A stream's address: what opens the stream, and what may be shown."""

from __future__ import annotations

import pickle
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import AddressError

_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=3)


@pytest.mark.parametrize(
    ("url", "user", "password", "shown", "opened"),
    [
        ("rtsp://10.0.0.5/one", None, None, "rtsp://10.0.0.5/one", "rtsp://10.0.0.5/one"),
        (
            "rtsp://10.0.0.5:8554/one?channel=1",
            "viewer",
            "s3cret",
            "rtsp://10.0.0.5:8554/one?channel=1",
            "rtsp://viewer:s3cret@10.0.0.5:8554/one?channel=1",
        ),
        ("rtsp://a:b%40c@cam/x", None, None, "rtsp://cam/x", "rtsp://a:b%40c@cam/x"),
        ("rtsp://a:b@c@cam/x", None, None, "rtsp://cam/x", "rtsp://a:b%40c@cam/x"),
        ("rtsp://a:old@cam/x", None, "new", "rtsp://cam/x", "rtsp://a:new@cam/x"),
        ("rtsp://cam/x", "üser", "p/w:d@#?", "rtsp://cam/x", None),
        ("rtsp://u:p@[2001:db8::1]:554/x", None, None, "rtsp://[2001:db8::1]:554/x", None),
        ("RTSPS://Cam/x", "", "", "rtsps://cam/x", "rtsps://cam/x"),
    ],
)
def test_credentials_are_kept_apart_from_the_url(
    url: str, user: str | None, password: str | None, shown: str, opened: str | None
) -> None:
    address = Address.of(url, user, password)
    assert address.url == shown
    if opened is not None:
        assert address.with_credentials == opened
    assert Address.of(address.with_credentials) == address
    assert address.scheme in ("rtsp", "rtsps")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("rtsp://:s3cret@/x", "names no host"),
        ("rtsp://u:s3cret@cam:port/x", "url: the port is no number from 1 to 65535"),
        ("rtsp://u:s3cret@cam:99999/x", "url: the port is no number from 1 to 65535"),
        ("rtsp://u:s3cret@[::1/x", "only stand around an IPv6 address"),
        ("rtsp://u:s3cret#1@cam/x", "holds a #, .* write it as %23"),
        ("s3cret", "names no host"),
    ],
)
def test_an_invalid_address_is_reported_without_secrets(url: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as caught:
        Address.of(url)
    assert "s3cret" not in str(caught.value)


def test_a_password_may_come_from_the_environment() -> None:
    address = Address.of("rtsp://cam/x", "u", password_env="PW", environment={"PW": "s3cret"})
    assert address.password == "s3cret"
    with pytest.raises(AddressError, match="the environment variable PW is not set"):
        Address.of("rtsp://cam/x", "u", password_env="PW", environment={})


@given(user=_WORDS, password=_WORDS)
def test_any_password_round_trips_and_is_never_shown(user: str, password: str) -> None:
    address = Address.of("rtsp://cam:554/x", user, password)
    again = Address.of(address.with_credentials)
    assert (again.user, again.password) == (user, password)
    assert again.url == "rtsp://cam:554/x"
    bare = Address.of("rtsp://cam:554/x", user, "")
    assert repr(address) == repr(bare), "a password changes nothing that is shown"


@given(password=_WORDS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_messages_repeat_no_password(password: str, before: str, after: str) -> None:
    address = Address.of("rtsp://cam:554/x", "viewer", password)
    for said in (password, address.with_credentials):
        shown = address.hide(f"{before} {said} {after}")
        if password not in f"{before} *** rtsp://cam:554/x {after}":
            assert password not in shown


def test_messages_repeat_no_credentials_of_another_address() -> None:
    shown = Address.of("rtsp://cam/x").hide("redirected to rtsp://u:s3cret@other/x: refused")
    assert shown == "redirected to rtsp://other/x: refused"
    assert Address.of("rtsp://cam/x", "u", "a").hide("a bad answer") == "a bad answer"


def test_a_camera_s_message_repeats_the_password_in_no_form() -> None:
    address = Address.of("rtsp://cam/x", "viewer", "s3 cr/e't\\")
    for said in (
        *("s3 cr/e't\\", "s3%20cr%2Fe%27t%5C", "s3%20cr%2fe%27t%5c", "s3+cr%2Fe%27t%5C"),
        *("s3%20cr/e't%5C", repr("s3 cr/e't\\"), "dmlld2VyOnMzIGNyL2UndFw="),
    ):
        shown = address.hide(f"401 {said}!")
        assert "***" in shown
        assert not any(part in shown for part in ("s3", "cr", "e't", "dmlld2Vy")), shown


def test_only_the_camera_s_own_host_and_those_listed_are_allowed() -> None:
    address = Address.of("rtsp://Cam.city/x", allow_hosts=["Relay.city", "[2001:db8::1]"])
    assert all(map(address.allows, ("cam.city", "CAM.city", "relay.city", "2001:db8::1")))
    assert not any(map(address.allows, ("", "city", "evil.cam.city", "cam.city.evil")))


def test_an_address_can_be_copied_and_pickled() -> None:
    address = Address.of("rtsp://cam/x", "u", "s3cret", transport="udp")
    assert deepcopy(address) == address
    assert pickle.loads(pickle.dumps(address)) == address
