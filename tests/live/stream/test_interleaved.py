"""Packets and messages told apart, also where a camera sends something else between them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.interleaved import InterleavedReader, Message

_TYPE = 96
_CHANNELS = (4, 5)


def _packet(number: int, size: int = 40) -> bytes:
    payload = bytes((0x80, _TYPE)) + number.to_bytes(2, "big") + bytes(size)
    return b"$\x04" + len(payload).to_bytes(2, "big") + payload


@contextmanager
def _connected() -> Iterator[tuple[socket.socket, InterleavedReader]]:
    camera, line = socket.socketpair()
    with camera, line:
        yield camera, InterleavedReader(line)


def _read(pieces: Sequence[bytes]) -> tuple[list[bytes], list[bytes], list[Message]]:
    """What is found of data that arrive piece by piece."""
    found: tuple[list[bytes], list[bytes], list[Message]] = ([], [], [])
    with _connected() as (camera, reader):
        for piece in filter(None, pieces):
            camera.sendall(piece)
            reader.fill(1.0)
            media, reports, messages = reader.packets(_CHANNELS, _TYPE)
            found[0].extend(bytes(reader.buffer[start:stop]) for start, stop in media)
            found[1].extend(bytes(reader.buffer[start:stop]) for start, stop in reports)
            found[2].extend(messages)
    return found


def _numbers(packets: Sequence[bytes]) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in packets if packet]


_GARBAGE = st.binary(max_size=300) | st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n\n\n",
            b"RTSP",
            b"RTSP/1.0 2",
            b"OPTIONS rtsp://x",
            b"OPTIONS * RTSP/1.0\r\n",
        ),
        *(b"$", b"$\x04", b"$\x04\xff\xff", b"$\x04\0\0", b"$\x05\0\1a", b"$\x04\x7f\xff\x80\x33"),
        *(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    ]
)


@settings(max_examples=15)
@given(
    garbage=st.lists(_GARBAGE, min_size=5, max_size=5),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_packets_are_found_after_garbage(garbage: list[bytes], cuts: list[int]) -> None:
    """After any garbage: what looks like the start of a packet or message may take the next ones,
    not those after it."""
    packets = [_packet(number, 70_000 // 4) for number in range(6 * 8)]
    data = b"".join(
        junk + b"".join(packets[8 * n : 8 * n + 8]) for n, junk in enumerate([b"", *garbage])
    )
    places = sorted({0, *(cut * len(data) // 2000 for cut in cuts), len(data)})
    places = sorted({*places, *range(0, len(data), 60_000)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    found = _numbers(_read(pieces)[0])
    assert found == sorted(set(found))
    # 8 packets are 140 kB: more than any garbage can announce.
    assert {8 * n + 7 for n in range(6)} <= set(found)


@given(garbage=st.binary(max_size=400).map(lambda data: data.translate(None, b"$R")))
def test_no_packet_is_lost_to_garbage_that_looks_like_nothing(garbage: bytes) -> None:
    packets = [_packet(number) for number in range(4)]
    data = packets[0] + garbage + packets[1] + packets[2] + garbage + packets[3]
    letters = garbage[:1].isalpha() and garbage.isascii()
    if not letters:  # may be the start of a request
        assert _numbers(_read([data])[0]) == [0, 1, 2, 3]


def test_messages_between_packets_are_found() -> None:
    pieces = [
        *(
            _packet(0),
            b"\r\n",
            b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Le",
            b"ngth: 4\r\n\r\n$\x04\0",
        ),
        *(b"\0", _packet(1), b"OPTIONS * RTSP/1.0\nCSeq: 9\n\n" + _packet(2)),
        b"$\x05\0\x08\x80\xc8\0\6abcd" + b"$\x00\0\4\x80\x61ab" + _packet(3),
    ]
    media, reports, (response, request) = _read(pieces)
    assert _numbers(media) == [0, 1, 2, 3]
    assert reports == [b"\x80\xc8\0\6abcd"]
    assert (response.status, response.get("cseq"), response.body) == (200, "3", b"$\x04\0\0")
    assert (request.status, request.line, request.get("CSeq")) == (0, "OPTIONS * RTSP/1.0", "9")


def test_a_frame_that_is_mostly_announced_is_skipped_when_it_proves_to_be_none() -> None:
    """``$`` and a length of garbage, on a channel that was not asked for."""
    data = b"$\x09\x10\0\x80" + b"".join(_packet(number) for number in range(200))
    assert _numbers(_read([data])[0]) == list(range(200))


def test_headers_may_be_written_oddly() -> None:
    with _connected() as (camera, reader):
        camera.sendall(
            b"\r\nRTSP/1.0  401 Unauthorized\nno colon\nWWW-Authenticate:  Basic realm=x\n"
            b"www-authenticate: Digest y\nEmpty:\n\n"
        )
        reader.fill(1.0)
        message = reader.message()
    assert message is not None
    assert message.status == 401
    assert message.all("WWW-Authenticate") == ["Basic realm=x", "Digest y"]
    assert message.get("Empty") == message.get("Missing") == ""


@pytest.mark.parametrize(
    "sent", [b"\0", b"220 smtp\r\n", b"RTSP/x", b"a", b"RTSP/1.0 200\r\n" * 9000]
)
def test_what_is_no_message_is_reported_before_the_stream_plays(sent: bytes) -> None:
    with _connected() as (camera, reader):
        camera.sendall(sent[:20_000])
        reader.fill(1.0)
        with pytest.raises(StreamError, match="not a stream"):
            reader.message()
