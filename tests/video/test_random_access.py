"""Where decoding may begin, as the NAL units of a picture say."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.video.random_access import RandomAccess, recovery_of
from tests.video.intra_refresh import EVERY, refreshed
from tests.video.recordings import record, times

_CODE = b"\0\0\0\1"
# H.264: recovery_frame_cnt 18, as libx264 writes it; H.265: recovery_poc_cnt 19.
_H264_POINT = b"\x06\x06\x02\x09\xc4\x80"
_H265_POINT = b"\x4e\x01\x06\x02\x04\xd4\x80"
_H264_TEXT = b"\x06\x05\xff\x02" + bytes(range(1, 256)) + b"\x01\x02\x80"


def _bytes(*units: bytes) -> bytes:
    return b"".join(_CODE + unit for unit in units)


@pytest.mark.parametrize(
    ("codec", "units", "expected"),
    [
        ("h264", [b"\x65\x88"], 0),
        ("h264", [b"\x67a", b"\x68b", b"\x65\x88"], 0),
        ("h264", [b"\x41\x9a"], None),
        ("h264", [b"\x09\xf0", b"\x41\x9a"], None),
        ("h264", [_H264_POINT, b"\x41\x9a"], 18),
        ("h264", [b"\x09\xf0", b"\x67a", b"\x68b", _H264_TEXT, _H264_POINT, b"\x41\x9a"], 18),
        ("h264", [b"\x06\x01\x01\x00" + _H264_POINT[1:], b"\x41\x9a"], 18),
        ("h264", [b"\x06\x06\x01\xc4\x80", b"\x61\x88"], 0),  # an I frame that is no IDR
        ("h264", [_H264_POINT, b"\x65\x88"], 0),
        ("h264", [b"\x06\x06\x01\x00\x80", b"\x41\x9a"], None),  # no number
        ("h264", [b"\x41\x9a", _H264_POINT], None),  # of the picture after
        ("h264", [_H264_POINT], None),
        ("h264", [], None),
        ("hevc", [b"\x28\x01"], 0),
        ("hevc", [b"\x2a\x01"], 0),
        ("hevc", [b"\x20\x01", b"\x02\x01"], 0),
        ("hevc", [b"\x40\x01a", b"\x42\x01b", b"\x44\x01c", b"\x2a\x01"], 0),
        ("hevc", [b"\x02\x01"], None),
        ("hevc", [_H265_POINT, b"\x02\x01"], 19),
        ("hevc", [b"\x4e\x01\x06\x01\xc0\x80", b"\x02\x01"], 1),  # 0, and no key frame
        ("hevc", [b"\x4e\x01\x06\x01\x60\x80", b"\x02\x01"], 1),  # below 0
        ("vp9", [b"\x65\x88"], None),
    ],
)
def test_what_an_access_unit_says(codec: str, units: list[bytes], expected: int | None) -> None:
    assert recovery_of(codec, _bytes(*units)) == expected
    if codec in ("h264", "hevc"):
        lengths = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
        assert recovery_of(codec, lengths, 2) == expected
        short_codes = b"".join(b"\0\0\1" + unit for unit in units)
        assert recovery_of(codec, short_codes) == expected


@given(
    st.sampled_from(["h264", "hevc"]),
    st.sampled_from([0, 1, 2, 4]),
    st.lists(st.sampled_from([b"\0", b"\1", b"\6", _CODE, _H264_POINT, _H265_POINT, b"\xff"])),
)
def test_any_bytes_are_read_to_their_end(codec: str, length_bytes: int, parts: list[bytes]) -> None:
    found = recovery_of(codec, b"".join(parts), length_bytes)
    assert found is None or found >= 0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_recovery_points_are_found_in_every_container(
    codec: str, suffix: str, tmp_path: Path
) -> None:
    found = _recoveries(refreshed(tmp_path / f"a{suffix}", 70, codec=codec))
    assert [number for number, recovery in found] == [0, EVERY, 2 * EVERY, 3 * EVERY]
    assert found[0][1] == 0
    assert all(0 < recovery < EVERY for _, recovery in found[1:])


@pytest.mark.parametrize("making", [{}, {"b_frames": 3}, {"codec": "libx265"}, {"codec": "mpeg4"}])
def test_key_frames_need_no_other(making: dict[str, str], tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", times(60), gop=20, **making)  # type: ignore[arg-type]
    found = _recoveries(path)
    assert len(found) >= 3
    assert {recovery for _, recovery in found} == {0}


def _recoveries(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        access = RandomAccess.of(stream.codec_context.name, stream.codec_context.extradata)
        packets = (packet for packet in container.demux(stream) if packet.size)
        recoveries = [access.recovery(packet) for packet in packets]
    return [(n, recovery) for n, recovery in enumerate(recoveries) if recovery is not None]
