"""Descriptions of streams, as cameras write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.stream.errors import UnknownFormatError
from cv_engine.live.stream.sdp import video_of

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
    sps, pps = media.header.removeprefix(b"\0\0\0\1").split(b"\0\0\0\1")
    assert (sps[0] & 31, pps[0] & 31) == (7, 8)


def test_the_first_known_format_is_taken() -> None:
    media = video_of(_H265)
    assert (media.codec, media.payload_type, media.control) == ("hevc", 98, "track1")
    assert media.rate == Fraction(25, 2)
    units = media.header.split(b"\0\0\0\1")[1:]
    assert [unit[0] >> 1 for unit in units] == [32, 33, 34, 34]


def test_missing_parameter_sets_give_an_empty_header() -> None:
    text = "m=video 0 RTP/AVP 96\na=rtpmap:96 h264/90000\na=fmtp:96 sprop-parameter-sets=%%%\n"
    assert video_of(text).header == b""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m=audio 0 RTP/AVP 96\na=rtpmap:96 H264/90000",
        "m=video 0 RTP/AVP 26\na=rtpmap:26 JPEG/90000",
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/0",
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
