"""Descriptions of streams, as cameras write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.stream.errors import UnknownFormatError
from cv_engine.live.stream.sdp import Media, video_of

_HIKVISION = """v=0
o=- 1109162014219182 1109162014219192 IN IP4 x.y.z.w
s=Media Presentation
b=AS:5100
t=0 0
a=control:rtsp://192.0.2.7:554/Streaming/Channels/101/
m=audio 0 RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=control:rtsp://192.0.2.7:554/Streaming/Channels/101/trackID=2
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
a=recvonly
a=x-dimensions:1920,1080
a=control:rtsp://192.0.2.7:554/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; \
sprop-parameter-sets=Z00AKZpmA8ARPyzUBAQFAAADA+gAAMNQBA==,aO48gA==
a=Media_header:MEDIAINFO=494D4B48
a=appversion:1.0
"""
_H265 = (
    "v=0\r\ns=x\r\na=control:*\r\nm=video 0 RTP/AVP 26 98\r\na=framerate:12.5\r\n"
    "a=rtpmap:26 JPEG/90000\r\na=rtpmap:98 H265/90000\r\na=control:track1\r\n"
    "a=fmtp:98 sprop-vps=QAE=;sprop-sps=QgE=; sprop-pps=RAE=,RAI=\r\n"
)


def test_a_description_of_a_real_camera_is_parsed() -> None:
    media = video_of(_HIKVISION)
    assert (media.codec, media.payload_type, media.clock_rate) == ("h264", 96, 90_000)
    assert media.control.endswith("trackID=1")
    assert media.session_control == "rtsp://192.0.2.7:554/Streaming/Channels/101/"
    assert media.rate is None
    sps, pps = media.parameter_sets
    assert (sps[0] & 31, pps[0] & 31) == (7, 8)


def test_the_first_known_format_is_taken() -> None:
    media = video_of(_H265)
    assert (media.codec, media.payload_type, media.control) == ("hevc", 98, "track1")
    assert media.rate == Fraction(25, 2)
    assert [unit[0] >> 1 for unit in media.parameter_sets] == [32, 33, 34, 34]


_SETS = (b"\x67\x42\xc0\x1e\xd9", b"\x68\xce\x3c\x80")


def _described(settings: str, name: str = "h264/90000") -> Media:
    return video_of(f"m=video 0 RTP/AVP 96\na=rtpmap: 96 {name}\n{settings}\n")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("a=fmtp:96 sprop-parameter-sets=Z0LAHtk=,aM48gA==", _SETS),
        ("a=fmtp:96  packetization-mode=1; sprop-parameter-sets=Z0LAHtk,aM48gA ;", _SETS),
        ('a=fmtp:96 Sprop-Parameter-Sets="Z0LAHtk=,aM48gA=="', _SETS),
        ("a=fmtp:96 packetization-mode=1\na=fmtp:96 sprop-parameter-sets=Z0LAHtk=,aM48gA==", _SETS),
        ("a=fmtp:96 sprop-parameter-sets=AAAAAWdCwB7ZAAAAAWjOPIA=", _SETS),
        ("a=fmtp:96 sprop-parameter-sets=Z0LAHtk=,%%%", _SETS[:1]),
        ("a=fmtp:96 sprop-parameter-sets=,", ()),
        ("a=fmtp:97 sprop-parameter-sets=Z0LAHtk=,aM48gA==", ()),
        ("", ()),
    ],
)
def test_parameter_sets_are_found_however_they_are_written(
    settings: str, found: tuple[bytes, ...]
) -> None:
    assert _described(settings).parameter_sets == found


@pytest.mark.parametrize(
    ("name", "clock_rate"),
    [("H264/90000/1", 90_000), ("H264", 90_000), ("h264/0", 90_000), ("H264/1000", 1000)],
)
def test_an_odd_clock_rate_is_that_of_all_video(name: str, clock_rate: int) -> None:
    assert _described("", name).clock_rate == clock_rate


@pytest.mark.parametrize("rate", ["1e999999999", "9" * 5000, "1/0", "-1", "x", "0"])
def test_an_odd_rate_is_unknown(rate: str) -> None:
    assert _described(f"a=framerate:{rate}").rate is None


def test_numbers_of_the_decoding_order_are_noticed() -> None:
    assert _described("a=fmtp:96 sprop-max-don-diff=2", "H265/90000").is_numbered
    assert not _described("a=fmtp:96 sprop-max-don-diff=0", "H265/90000").is_numbered


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m=audio 0 RTP/AVP 96\na=rtpmap:96 H264/90000",
        "m=video 0 RTP/AVP 26\na=rtpmap:26 JPEG/90000",
        "m=video 0 RTP/AVP 128\na=rtpmap:128 H264/90000",
        "m=video",
    ],
)
def test_an_unknown_format_raises(text: str) -> None:
    with pytest.raises(UnknownFormatError):
        video_of(text)


@given(
    st.lists(
        st.sampled_from(_HIKVISION.splitlines() + _H265.splitlines()) | st.text(max_size=40)
    ).map("\n".join)
)
def test_nonsense_breaks_nothing(text: str) -> None:
    try:
        media = video_of(text)
    except UnknownFormatError:
        return
    assert media.codec in ("h264", "hevc")
    assert media.clock_rate > 0
