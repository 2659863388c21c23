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

from cv_engine.live.stream.bitstream.access_units import AccessUnit, Assembler
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets
from cv_engine.live.stream.rtp import Depacketizer, SenderReport
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
    assembler = Assembler(codec, ParameterSets(codec))
    found: list[AccessUnit] = []
    for packet in packets:
        buffer = bytearray(b"####" + packet + b"####")
        found += assembler.add(depacketizer.feed(buffer, [(4, len(buffer) - 4)]))
    found += assembler.add(depacketizer.flush())
    return [*found, *assembler.flush()]


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
            # Its parameter sets may be lost: the earlier ones still hold. A delimiter comes first.
            assert set(units) <= set(sent.units[index])
            assert units[-1] == sent.units[index][-1]
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
    sent = [_unit(65_533 + n, stamp, b"\x41\x9axyz") for n, stamp in enumerate(stamps)]
    found = _access_units("h264", sent)
    assert [each.ticks for each in found] == stamps
    assert all(each.whole for each in found)


def test_header_extensions_and_padding_are_removed() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, _TYPE | 0x80, 1, 0, 1)
    sent = head + b"ssrcssrc" + b"\xbe\xde\0\1" + b"more" + b"\x41picture" + b"\0\0\3"
    (unit,) = _access_units("h264", [sent])
    assert unit.data == b"\0\0\0\1\x41picture"


@pytest.mark.parametrize("first", [b"\x7c\x85", b"\x7c\x05"])
def test_an_endless_nal_unit_is_discarded(first: bytes) -> None:
    depacketizer = Depacketizer("h264", _TYPE)
    for number in range(600):
        payload = (b"\x7c\x05" if number else first) + b"x" * 60_000
        buffer = bytearray(_unit(number, 0, payload, last=False))
        assert not depacketizer.feed(buffer, [(0, len(buffer))])
        assert depacketizer._bytes <= 17 << 20


def _nal_units(
    codec: str, payloads: Sequence[bytes], *, is_numbered: bool = False, marked: bool = True
) -> list[bytes]:
    depacketizer = Depacketizer(codec, _TYPE, is_numbered=is_numbered)
    found = []
    for number, payload in enumerate(payloads):
        buffer = bytearray(_unit(number, 0, payload, last=marked))
        found += depacketizer.feed(buffer, [(0, len(buffer))])
    assert all(each.follows and each.whole for each in found)
    return [each.data for each in found + depacketizer.flush()]


@pytest.mark.parametrize(
    "payloads",
    [
        [b"\x67A\0\0\0\1\x68B\0\0\1\x65C"],
        [b"\0\0\0\1\x67A\0\0\0\1\x68B\0\0\0\1\x65C"],
        [b"\0\0\1\x67A\0\0\0\1\x68B\0\0\0\0\0\1\x65C\0\0"],
        [b"\x7c\x87A\0\0\0", b"\x7c\x07\1\x68B\0", b"\x7c\x47\0\1\x65C"],
        [b"\x18\0\x08\x67A\0\0\0\1\x68B\0\2\x65C\0\0"],
    ],
)
def test_start_codes_in_a_payload_separate_nal_units(payloads: list[bytes]) -> None:
    assert _nal_units("h264", payloads) == [b"\x67A", b"\x68B", b"\x65C"]


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize(
    ("codec", "begins", "goes_on", "other"),
    [
        ("h264", b"\x7c\x85A", b"\x7c\x05B", b"\x41\x05C"),
        ("hevc", b"\x62\1\x93A", b"\x62\1\x13B", b"\x02\1\x13C"),
    ],
)
def test_a_whole_nal_unit_ends_fragments_without_an_end(
    codec: str, begins: bytes, goes_on: bytes, other: bytes, *, marked: bool
) -> None:
    """Some cameras flag no last fragment; the next unit may look like a fragment's second byte."""
    first = {"h264": b"\x65AB", "hevc": b"\x26\1AB"}[codec]
    assert _nal_units(codec, [begins, goes_on, other], marked=marked) == [first, other]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_nal_unit_may_arrive_in_parts_in_one_buffer(codec: str) -> None:
    """The receive buffer is used again before the NAL unit is complete."""
    sent = _sent(codec, 300)
    depacketizer, buffer, found = Depacketizer(codec, _TYPE), bytearray(1 << 16), []
    for start in range(0, len(sent.packets), 3):
        spans, at = [], 0
        for packet in sent.packets[start : start + 3]:
            buffer[at : at + len(packet)] = packet
            spans.append((at, at + len(packet)))
            at += len(packet)
        found += depacketizer.feed(buffer, spans)
        buffer[:] = bytes(len(buffer))
    units = [unit.data for unit in found + depacketizer.flush()]
    assert units == [unit for units in sent.units for unit in units]


def test_numbers_of_the_decoding_order_are_removed() -> None:
    """RFC 7798, 4.4: two bytes in the first fragment, and one before each further unit."""
    payloads = [
        b"\x02\1\0\5single",
        b"\x60\1\0\6\0\3\x02\1A\0\0\4\x02\1BB",
        b"\x62\1\x81\0\7first",
        b"\x62\1\x41last",
    ]
    assert _nal_units("hevc", payloads, is_numbered=True) == [
        *(b"\x02\1single", b"\x02\1A", b"\x02\1BB", b"\x02\1firstlast")
    ]


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
