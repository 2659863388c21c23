"""Access units assembled from RTP packets that FFmpeg made of them."""

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

from cv_engine.live.stream.rtp import AccessUnit, Depacketizer, SenderReport
from tests.live.encoded_frames import units_of
from tests.video.recordings import record, times

_TYPE = 96
_COUNT = 24
_MARKER = 0x80  # last packet of an access unit
_PATIENCE_S = 60.0  # for a packet over the loopback interface, on however busy a machine


class _Sent(NamedTuple):
    packets: tuple[bytes, ...]
    reports: tuple[bytes, ...]
    units: tuple[tuple[bytes, ...], ...]
    keys: tuple[bool, ...]


@cache
def _sent(codec: str, size: int) -> _Sent:
    """The packets that FFmpeg sends of a clip, and the NAL units that went in."""
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    with TemporaryDirectory() as folder, socket.socket(type=socket.SOCK_DGRAM) as line:
        path = record(Path(folder) / "a.ts", times(_COUNT), codec=encoder, gop=8)
        line.bind(("127.0.0.1", 0))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        line.settimeout(_PATIENCE_S)
        port = line.getsockname()[1]
        url = f"rtp://127.0.0.1:{port}?pkt_size={size}&rtcpport={port}"
        given_, keys = [], []
        packets: list[bytes] = []
        with av.open(str(path)) as source, av.open(url, "w", format="rtp") as out:
            stream = source.streams.video[0]
            copy = out.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.size:
                    given_.append(units_of(bytes(packet)))
                    keys.append(packet.is_keyframe)
                    packet.stream = copy
                    out.mux(packet)
        while sum(packet[1] == _MARKER | _TYPE for packet in packets) < _COUNT:
            packets.append(line.recv(1 << 16))
    media = tuple(each for each in packets if not 200 <= each[1] <= 204)
    reports = tuple(each for each in packets if each[1] == 200)
    return _Sent(media, reports, tuple(given_), tuple(keys))


def _access_units(codec: str, packets: Sequence[bytes]) -> list[AccessUnit]:
    depacketizer = Depacketizer(codec, _TYPE)
    found = []
    for packet in packets:
        buffer = bytearray(b"####" + packet + b"####")
        found += depacketizer.feed(buffer, [(4, len(buffer) - 4)])
    return found


@pytest.mark.parametrize("size", [200, 1400])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_access_units_equal_those_sent(codec: str, size: int) -> None:
    sent = _sent(codec, size)
    assert size > 200 or len(sent.packets) > _COUNT, "some NAL units are fragmented"
    found = _access_units(codec, sent.packets)
    assert [units_of(each.data) for each in found] == list(sent.units)
    assert [each.key for each in found] == list(sent.keys)
    assert all(each.whole for each in found)
    ticks = [each.ticks - found[0].ticks for each in found]
    assert ticks == [round(each * 90_000) for each in times(_COUNT)]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(data=st.data())
def test_no_access_unit_with_a_lost_packet_passes_for_whole(
    codec: str, data: st.DataObject
) -> None:
    sent = _sent(codec, 200)
    count = len(sent.packets)
    lost = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=12))
    arrived = [packet for number, packet in enumerate(sent.packets) if number not in lost]
    stamps = [struct.unpack_from(">I", packet, 4)[0] for packet in sent.packets]
    frames = {stamp: index for index, stamp in enumerate(dict.fromkeys(stamps))}
    damaged = {frames[stamps[number]] for number in lost}
    for unit in _access_units(codec, arrived):
        index = frames[unit.ticks % (1 << 32)]
        units = units_of(unit.data)
        if unit.whole:
            assert units == sent.units[index] or unit.key
        if unit.whole and unit.key:
            # Its parameter sets may be lost: the earlier ones still hold.
            assert units == sent.units[index][-len(units) :]
        if index not in damaged and (index - 1 not in damaged or unit.key):
            assert unit.whole


@given(packets=st.lists(st.binary(max_size=60)), sequence=st.integers(0, 0xFFFF))
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_nonsense_breaks_nothing(codec: str, packets: list[bytes], sequence: int) -> None:
    """Whatever follows a valid header."""
    made = [
        struct.pack(">BBHII", 0x80 | part[0] & 0x3F if part else 0x80, _TYPE, sequence, 7, 1) + part
        for part in packets
    ]
    _access_units(codec, made)
    _access_units(codec, packets)


def _unit(number: int, stamp: int, payload: bytes, *, last: bool = True) -> bytes:
    kind = _TYPE | (0x80 if last else 0)
    return struct.pack(">BBHII", 0x80, kind, number & 0xFFFF, stamp % (1 << 32), 1) + payload


def test_ticks_continue_where_rtp_timestamps_wrap_around() -> None:
    stamps = [(1 << 32) - 3600 * 2 + 3600 * number for number in range(5)]
    sent = [_unit(65_533 + n, stamp, b"\x41xyz") for n, stamp in enumerate(stamps)]
    found = _access_units("h264", sent)
    assert [each.ticks for each in found] == stamps
    assert all(each.whole for each in found)


def test_an_access_unit_without_marker_ends_where_the_next_begins() -> None:
    sent = [_unit(n, 3600 * (n // 2), b"\x41" + bytes([n]), last=False) for n in range(6)]
    assert [units_of(each.data) for each in _access_units("h264", sent)] == [
        (b"\x41\x00", b"\x41\x01"),
        (b"\x41\x02", b"\x41\x03"),
    ]


def test_a_key_frame_after_a_loss_is_whole_and_others_are_not() -> None:
    before = _unit(1, 0, b"\x41a")
    assert [p.whole for p in _access_units("h264", [before, _unit(5, 3600, b"\x65k")])] == [
        True,
        True,
    ]
    assert [p.whole for p in _access_units("h264", [before, _unit(5, 3600, b"\x41p")])] == [
        True,
        False,
    ]


def test_a_recovery_point_counts_as_a_key_frame() -> None:
    """Encoders that send one IDR frame only mark their later I frames as recovery points."""
    other, recovery = b"\x06\x05\x03abc\x80", b"\x06\xff\x01\x02ab\x06\x01\xc4\x80"
    aggregate = b"\x18" + b"".join(
        len(unit).to_bytes(2, "big") + unit for unit in (recovery, b"\x41p")
    )
    sent = [
        _unit(0, 0, other, last=False),
        _unit(1, 0, b"\x41p"),
        _unit(2, 3600, aggregate),
    ]
    assert [each.key for each in _access_units("h264", sent)] == [False, True]


def test_header_extensions_and_padding_are_removed() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, _TYPE | 0x80, 1, 0, 1)
    sent = head + b"ssrcssrc" + b"\xbe\xde\0\1" + b"more" + b"\x41picture" + b"\0\0\3"
    (unit,) = _access_units("h264", [sent])
    assert unit.data == b"\0\0\0\1\x41picture"


def test_an_endless_access_unit_is_discarded() -> None:
    depacketizer = Depacketizer("h264", _TYPE)
    for number in range(2000):
        payload = (b"\x7c\x05" if number else b"\x7c\x85") + b"x" * 60_000
        buffer = bytearray(_unit(number, 0, payload, last=False))
        assert not depacketizer.feed(buffer, [(0, len(buffer))])
        assert depacketizer._bytes <= 17 << 20


def test_a_sender_report_holds_the_cameras_time() -> None:
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
