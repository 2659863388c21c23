"""Frames of a whole RTSP session that lies in the receive buffer before it is read."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from contextlib import closing

import pytest

from benchmarks.oddities.packetizer import Packetizer
from benchmarks.oddities.pictures import Picture, pictures
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.direct import DirectStream
from cv_engine.live.stream.errors import StreamError

_WAIT_S = 60.0
_SDP = b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
_OK = b"RTSP/1.0 200 OK\r\n\r\n"
_RESPONSES = _OK + b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_SDP) + _SDP + _OK + _OK


def _received(film: Sequence[Picture], report: bytes = b"") -> list[EncodedFrame]:
    """The frames of a camera that closes the connection after these pictures."""
    packetizer = Packetizer("h264", 1200)
    camera, line = socket.socketpair()
    frames: list[EncodedFrame] = []
    with camera, line:
        camera.sendall(_RESPONSES + report)
        for number, picture in enumerate(film):
            for packet in packetizer.sound(picture, 9000 * number):
                camera.sendall(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
        camera.shutdown(socket.SHUT_WR)
        address = Address("rtsp://127.0.0.1/live")
        with (
            closing(DirectStream(address, _WAIT_S, _WAIT_S, lambda *_: line)) as stream,
            pytest.raises(StreamError, match="ended"),
        ):
            frames.extend(stream)
    return frames


def test_all_that_came_before_the_end_is_received() -> None:
    frames = _received(pictures("h264", 12))
    assert [round(frame.media_s, 2) for frame in frames] == [n / 10 for n in range(12)]
    assert [frame.recovery for frame in frames if frame.key] == [0, 0]


def test_another_size_is_another_format() -> None:
    """The next frames do not continue those before."""
    small, large = pictures("h264", 12, every=4), pictures("h264", 12, every=4, size=(320, 176))
    forms = [frame.format for frame in _received([*small, *large, *small])]
    assert [(form.width, form.height) for form in forms] == [
        *[(192, 96)] * 12,
        *[(320, 176)] * 12,
        *[(192, 96)] * 12,
    ]
    assert len({id(form) for form in forms}) == 3


def test_the_cameras_clock_times_key_frames_only() -> None:
    stamp, ntp_s = 4500, 2_208_988_800 + 1_700_000_000
    sent = struct.pack(">BBHIIIIII", 0x80, 200, 6, 1, ntp_s, 1 << 31, stamp, 0, 0)
    report = struct.pack(">BBH", 0x24, 1, len(sent)) + sent
    frames = _received(pictures("h264", 12), report)
    assert [frame.sent_at for frame in frames if not frame.key] == [None] * 10
    assert [frame.sent_at for frame in frames if frame.key] == [1_700_000_000.45, 1_700_000_001.45]
