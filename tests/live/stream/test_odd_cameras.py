"""Cameras with one oddity each: what FFmpeg takes of them is taken here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import av
import pytest
from av.video.stream import VideoStream

from benchmarks.oddities.oddities import ODDITIES, is_about_packets
from benchmarks.oddities.pictures import Picture, pictures
from benchmarks.oddities.reading import received, streamed_by_ffmpeg
from benchmarks.oddities.rtsp_server import PASSWORD, USER, OddCameras
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address, Transport
from cv_engine.live.stream.bitstream.access_units import Assembler
from cv_engine.live.stream.bitstream.nal_units import START_CODE, NalUnit, split
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets

_COUNT = 30
_REPORTED = 50  # pictures of the reported streams, three key frames among them
_UNPLAYABLE = {
    "no-sets": "pictures arrive, none can be decoded: no parameter sets",
    "sha-999": "the camera asks for an unknown authentication (Digest SHA-999); "
    "set it to Digest with MD5 or SHA-256",
    "udp-only": "the camera does not send over TCP; set transport: udp for it "
    "(461 Unsupported transport)",
    "closes": "the camera closes the connection before the first picture",
}
# How H.265 is packed is another matter; the session is the same.
_PLAYABLE = [
    (codec, name)
    for name, oddity in ODDITIES.items()
    for codec in ("h264", "hevc")
    if name not in _UNPLAYABLE and (codec == "h264" or is_about_packets(oddity))
]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receives at once what has arrived."""
    monkeypatch.setattr("cv_engine.live.stream.direct.sleep_until_next_batch", lambda: None)


@pytest.fixture(scope="module")
def cameras() -> Iterator[dict[str, OddCameras]]:
    """Cameras by codec."""
    films = {slices: pictures("h264", _COUNT, slices=slices) for slices in (1, 3)}
    with (
        OddCameras("h264", films) as h264,
        OddCameras("hevc", {1: pictures("hevc", _COUNT)}) as hevc,
    ):
        yield {"h264": h264, "hevc": hevc}
    assert not h264.failures + hevc.failures


def _address(cameras: OddCameras, oddity: str, transport: Transport = "tcp") -> Address:
    return Address.of(cameras.url(oddity), USER, PASSWORD, transport=transport)


def _decoded(codec: str, frames: Sequence[EncodedFrame]) -> list[str]:
    """What a strict decoder shows of frames, from the first one on: a hash of each picture."""
    return _shown(codec, [frame.packet for frame in frames])


def _sent(codec: str, film: Sequence[Picture]) -> list[str]:
    """What a strict decoder shows of the pictures that a camera sends."""
    return _shown(codec, [_packet(picture) for picture in film])


def _packet(picture: Picture) -> av.Packet[VideoStream]:
    return cast("av.Packet[VideoStream]", av.Packet(START_CODE + START_CODE.join(picture)))


def _shown(codec: str, packets: Sequence[av.Packet[VideoStream]]) -> list[str]:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.options = {"err_detect": "explode"}
    shown = [picture for packet in packets for picture in context.decode(packet)]
    shown += context.decode(None)
    luma = [picture.to_ndarray(format="gray").tobytes() for picture in shown]
    return [hashlib.sha256(each).hexdigest() for each in luma]


@pytest.mark.parametrize(("codec", "oddity"), _PLAYABLE)
def test_every_picture_of_an_odd_camera_is_received(
    codec: str, oddity: str, cameras: dict[str, OddCameras]
) -> None:
    address = _address(cameras[codec], oddity)
    frames, why = received(address)
    assert (len(frames), why) == (_COUNT, "the stream has ended")
    assert [frame.key for frame in frames] == [n % 10 == 0 for n in range(_COUNT)]
    assert not any(frame.packet.is_corrupt for frame in frames)
    if not ODDITIES[oddity].still:
        times = [round(frame.media_s, 3) for frame in frames]
        assert times == [n / 10 for n in range(_COUNT)]
    sent = _sent(codec, cameras[codec].film(oddity))
    assert _decoded(codec, frames) == sent
    # From any key frame on, as a clip begins: it needs nothing of what came before.
    assert _decoded(codec, frames[10:]) == sent[10:]
    assert streamed_by_ffmpeg(address) <= len(sent)


@pytest.mark.parametrize("oddity", _UNPLAYABLE)
def test_why_a_camera_cannot_be_watched_is_reported(
    oddity: str, cameras: dict[str, OddCameras]
) -> None:
    address = _address(cameras["h264"], oddity)
    assert received(address) == ([], _UNPLAYABLE[oddity])
    assert streamed_by_ffmpeg(address) == 0


def test_a_tunnel_through_http_gives_the_same_pictures(cameras: dict[str, OddCameras]) -> None:
    address = _address(cameras["h264"], "sets-once", "http")
    sent = _sent("h264", cameras["h264"].film("sets-once"))
    assert _decoded("h264", received(address).frames) == sent
    assert streamed_by_ffmpeg(address) == _COUNT


def test_a_clip_has_the_parameter_sets_that_were_sent_once(
    cameras: dict[str, OddCameras], tmp_path: Path
) -> None:
    """Long before the clip begins: the frame that they came with has left the ring buffer."""
    ring = RingBuffer(tmp_path, longest_s=1.5, most_bytes=1 << 20)
    for frame in received(_address(cameras["h264"], "sets-once")).frames:
        ring.add(frame.media_s, frame)
    assert ring.keep("case", 2.0)
    (clip,) = ring.footage("case", CaptureClock()).recordings
    with av.open(str(clip.path)) as container:
        assert len(list(container.decode(video=0))) == 10


@pytest.fixture(scope="module")
def reported(shared_data: Path) -> Iterator[OddCameras]:
    """The cameras of the reports, which send these streams."""
    folder = shared_data / "odd"
    paths = {1: folder / "plain.h264", 3: folder / "02-marker-per-nal" / "slices.h264"}
    with OddCameras("h264", {slices: _film(path) for slices, path in paths.items()}) as cameras:
        yield cameras
    assert not cameras.failures


def _film(path: Path) -> list[Picture]:
    units = [NalUnit(unit, 0) for unit in split(path.read_bytes())]
    assembler = Assembler("h264", ParameterSets("h264"))
    found = [*assembler.add(units), *assembler.flush()]
    return [tuple(split(unit.data)) for unit in found[:_REPORTED]]


@pytest.mark.parametrize(
    "oddity",
    [
        *("marked", "marked-in-band"),  # 02-marker-per-nal
        *("separate-sets", "separate-sets-in-band"),  # 04-parameter-sets-with-times-of-their-own
        *("number-0", "number-nonsense"),  # 05-cseq-zero
        *("sets-once", "sprop-empty"),  # 10-parameter-sets-only-once
    ],
)
def test_cameras_of_public_reports_are_received_whole(oddity: str, reported: OddCameras) -> None:
    frames = received(_address(reported, oddity)).frames
    sent = _sent("h264", reported.film(oddity))
    assert _decoded("h264", frames) == sent
    key = next(n for n, frame in enumerate(frames) if n and frame.key)
    assert _decoded("h264", frames[key:]) == sent[key:]
    assert streamed_by_ffmpeg(_address(reported, oddity)) <= len(sent)
