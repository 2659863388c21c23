"""What is wrong with a stream's address is said without repeating it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.stream_url import has_ambiguous_password, split_url


@pytest.mark.parametrize("sign", "#/?")
@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:s3{}cret@10.0.0.5:554/stream1",
        "rtsp://admin:s3{}cret@camera/stream1",
        "rtsp://admin:12{}cret@10.0.0.5/stream1",
        "rtsp://admin:12{}cret@camera:554/stream1",
        "rtsp://admin:12{}cret@[2001:db8::1]/stream1",
        "https://admin:{}s3cret@cam.city/live.m3u8?x=1",
        "rtsps://admin:s3{}cr@et@cam.city/live",
    ],
)
def test_a_password_that_ends_the_address_names_the_percent_encoding(url: str, sign: str) -> None:
    with pytest.raises(ValueError, match="holds a") as caught:
        split_url(url.format(sign))
    encoded = {"#": "%23", "/": "%2F", "?": "%3F"}[sign]
    assert f"holds a {sign}, " in str(caught.value)
    assert f"write it as {encoded}" in str(caught.value)
    assert "cret" not in str(caught.value)
    assert "admin" not in str(caught.value)
    assert split_url(url.format(encoded).replace("cr@et", "cr%40et")).hostname


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("rtsp://10.0.0.5/cam@1", "10.0.0.5", None),
        ("rtsp://10.0.0.5:554/user=a&password=b@c?x=1", "10.0.0.5", 554),
        ("rtsp://10.0.0.5:554/live?mail=a@b.city", "10.0.0.5", 554),
        ("rtsp://camera:554/live@main", "camera", 554),
        ("rtsp://[2001:db8::1]/cam@1", "2001:db8::1", None),
        ("rtsp://a:b@c@cam:65535/x", "cam", 65535),
        ("rtsp://localhost:8554/x@y.z", "localhost", 8554),
    ],
)
def test_a_path_may_hold_an_at(url: str, host: str, port: int | None) -> None:
    parts = split_url(url)
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("rtsp://u:s3cret@cam:0/x", "the port is no number from 1 to 65535"),
        ("rtsp://u:s3cret@cam:65536/x", "the port is no number from 1 to 65535"),
        ("rtsp://u:s3cret@cam:-1/x", "the port is no number from 1 to 65535"),
        ("rtsp://u:s3cret@cam:/x y", "a space as %20"),
        ("rtsp://u:s3cret@cam/x\r\nPLAY", "a control character"),
        ("rtsp://u:s[3cret@cam/x", r"%5B and %5D"),
        ("rtsp://u:s3cret@", "names no host"),
    ],
)
def test_what_is_wrong_is_said_without_the_address(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        split_url(url)
    assert "3cret" not in str(caught.value)


def test_an_at_in_a_password_is_read_as_ffmpeg_reads_it_and_can_be_told() -> None:
    assert split_url("rtsp://u:p@q@cam/x").password == "p@q"
    assert has_ambiguous_password("rtsp://u:p@q@cam/x")
    assert not has_ambiguous_password("rtsp://u:p%40q@cam/x@y")


_PASSWORDS = st.text(st.characters(codec="ascii", exclude_characters="%"), max_size=12)


@given(_PASSWORDS)
def test_any_raw_password_is_read_as_it_is_or_refused_without_being_repeated(raw: str) -> None:
    password = f"Qz7{raw}Qz7"
    try:
        parts = split_url(f"rtsp://viewer:{password}@10.0.0.5:554/x")
    except ValueError as error:
        assert "Qz7" not in str(error)
    else:
        assert (parts.hostname, parts.port, parts.password) == ("10.0.0.5", 554, password)
