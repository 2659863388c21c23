"""Pictures put together from RTP packets that FFmpeg made of them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.stream.rtp import Depacketizer, Picture, SenderReport
from tests.live.encoded_frames import units_of
from tests.video.recordings import record, times

_TYPE = 96
_COUNT = 24


class _Sent(NamedTuple):
    packets: tuple[bytes, ...]
    reports: tuple[bytes, ...]
    units: tuple[tuple[bytes, ...], ...]
    keys: tuple[bool, ...]


@cache
def _sent(codec: str, size: int) -> _Sent:
    """What FFmpeg sends of a clip, and what it was told to send."""
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    with TemporaryDirectory() as folder, socket.socket(type=socket.SOCK_DGRAM) as line:
        path = record(Path(folder) / "a.ts", times(_COUNT), codec=encoder, gop=8)
        line.bind(("127.0.0.1", 0))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        line.settimeout(5.0)
        port = line.getsockname()[1]
        url = f"rtp://127.0.0.1:{port}?pkt_size={size}&rtcpport={port}"
        given_, keys, packets = [], [], []
        with av.open(str(path)) as source, av.open(url, "w", format="rtp") as out:
            stream = source.streams.video[0]
            copy = out.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.size:
                    given_.append(units_of(bytes(packet)))
                    keys.append(packet.is_keyframe)
                    packet.stream = copy
                    out.mux(packet)
        line.settimeout(0.2)
        while True:
            try:
                packets.append(line.recv(1 << 16))
            except TimeoutError:
                break
    media = tuple(each for each in packets if not 200 <= each[1] <= 204)
    reports = tuple(each for each in packets if each[1] == 200)
    return _Sent(media, reports, tuple(given_), tuple(keys))


def _pictures(codec: str, packets: Sequence[bytes]) -> list[Picture]:
    depacketizer = Depacketizer(codec, _TYPE)
    found = []
    for packet in packets:
        buffer = bytearray(b"####" + packet + b"####")
        found += depacketizer.feed(buffer, [(4, len(buffer) - 4)])
    return found


@pytest.mark.parametrize("size", [200, 1400])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_what_was_sent_comes_out(codec: str, size: int) -> None:
    sent = _sent(codec, size)
    assert size > 200 or len(sent.packets) > _COUNT, "some are sent in fragments"
    found = _pictures(codec, sent.packets)
    assert [units_of(each.data) for each in found] == list(sent.units)
    assert [each.key for each in found] == list(sent.keys)
    assert all(each.whole for each in found)
    ticks = [each.ticks - found[0].ticks for each in found]
    assert ticks == [round(each * 90_000) for each in times(_COUNT)]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(data=st.data())
def test_of_what_is_lost_nothing_passes_for_whole(codec: str, data: st.DataObject) -> None:
    sent = _sent(codec, 200)
    count = len(sent.packets)
    lost = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=12))
    arrived = [packet for number, packet in enumerate(sent.packets) if number not in lost]
    stamps = [struct.unpack_from(">I", packet, 4)[0] for packet in sent.packets]
    pictures = {stamp: index for index, stamp in enumerate(dict.fromkeys(stamps))}
    spoiled = {pictures[stamps[number]] for number in lost}
    for picture in _pictures(codec, arrived):
        index = pictures[picture.ticks % (1 << 32)]
        units = units_of(picture.data)
        if picture.whole:
            assert units == sent.units[index] or picture.key
        if picture.whole and picture.key:
            # Its own parameter sets may be gone: the ones before it hold.
            assert units == sent.units[index][-len(units) :]
        if index not in spoiled and (index - 1 not in spoiled or picture.key):
            assert picture.whole


@given(packets=st.lists(st.binary(max_size=60)), sequence=st.integers(0, 0xFFFF))
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_nonsense_breaks_nothing(codec: str, packets: list[bytes], sequence: int) -> None:
    """Whatever follows a sound header."""
    made = [
        struct.pack(">BBHII", 0x80 | part[0] & 0x3F if part else 0x80, _TYPE, sequence, 7, 1) + part
        for part in packets
    ]
    _pictures(codec, made)
    _pictures(codec, packets)


def _unit(number: int, stamp: int, payload: bytes, *, last: bool = True) -> bytes:
    kind = _TYPE | (0x80 if last else 0)
    return struct.pack(">BBHII", 0x80, kind, number & 0xFFFF, stamp % (1 << 32), 1) + payload


def test_time_goes_on_where_timestamps_begin_anew() -> None:
    stamps = [(1 << 32) - 3600 * 2 + 3600 * number for number in range(5)]
    sent = [_unit(65_533 + n, stamp, b"\x41xyz") for n, stamp in enumerate(stamps)]
    found = _pictures("h264", sent)
    assert [each.ticks for each in found] == stamps
    assert all(each.whole for each in found)


def test_pictures_end_where_the_next_begins_if_nothing_says_so() -> None:
    sent = [_unit(n, 3600 * (n // 2), b"\x41" + bytes([n]), last=False) for n in range(6)]
    assert [units_of(each.data) for each in _pictures("h264", sent)] == [
        (b"\x41\x00", b"\x41\x01"),
        (b"\x41\x02", b"\x41\x03"),
    ]


def test_a_key_frame_after_a_loss_is_whole_and_others_are_not() -> None:
    before = _unit(1, 0, b"\x41a")
    assert [p.whole for p in _pictures("h264", [before, _unit(5, 3600, b"\x65k")])] == [True, True]
    assert [p.whole for p in _pictures("h264", [before, _unit(5, 3600, b"\x41p")])] == [True, False]


def test_decoding_may_begin_at_a_recovery_point() -> None:
    """Encoders that never send an IDR picture after the first say so in front of their I pictures."""
    other, recovery = b"\x06\x05\x03abc\x80", b"\x06\xff\x01\x02ab\x06\x01\xc4\x80"
    aggregate = b"\x18" + b"".join(
        len(unit).to_bytes(2, "big") + unit for unit in (recovery, b"\x41p")
    )
    sent = [
        _unit(0, 0, other, last=False),
        _unit(1, 0, b"\x41p"),
        _unit(2, 3600, aggregate),
    ]
    assert [each.key for each in _pictures("h264", sent)] == [False, True]


def test_added_headers_and_padding_are_taken_off() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, _TYPE | 0x80, 1, 0, 1)
    sent = head + b"ssrcssrc" + b"\xbe\xde\0\1" + b"more" + b"\x41picture" + b"\0\0\3"
    (picture,) = _pictures("h264", [sent])
    assert picture.data == b"\0\0\0\1\x41picture"


def test_a_picture_without_end_is_given_up() -> None:
    depacketizer = Depacketizer("h264", _TYPE)
    for number in range(2000):
        payload = (b"\x7c\x05" if number else b"\x7c\x85") + b"x" * 60_000
        buffer = bytearray(_unit(number, 0, payload, last=False))
        assert not depacketizer.feed(buffer, [(0, len(buffer))])
        assert depacketizer._bytes <= 17 << 20


def test_a_report_tells_the_cameras_time() -> None:
    sent = _sent("h264", 1400)
    assert sent.reports
    buffer = bytearray(b"####" + sent.reports[0])
    report = SenderReport.of(buffer, 4, len(buffer))
    assert report is not None
    seconds, part, stamp = struct.unpack_from(">III", sent.reports[0], 8)
    assert report.sent_at == pytest.approx(seconds - 2_208_988_800 + part / 2**32)
    assert report.stamp == stamp
    assert SenderReport.of(bytearray(b"\x80\xc9" + bytes(40)), 0, 42) is None
    assert SenderReport.of(bytearray(8), 0, 8) is None
