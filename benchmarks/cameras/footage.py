"""Footage in the form that a camera sends: H.264 access units in one file, and an index."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import av
from av.bitstream import BitStreamFilterContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

if TYPE_CHECKING:  # PyAV's packets are generic to the type checker only
    from av.packet import Packet

    VideoPacket: TypeAlias = Packet[VideoStream]

_US = 1_000_000
_USUAL_STEP_US = 40_000  # of a last picture that has no length: 25 a second
# ITU-T H.264, 7.4.1: types of network abstraction layer units
_SPS, _PPS = 7, 8
_START = re.compile(rb"\x00\x00\x00?\x01")
# Like a camera's encoding: no reordering, and no additional key frame at a scene cut.
_ENCODING = {"preset": "veryfast", "sc_threshold": "0", "bf": "0"}
_VERSION = 1  # a new number replaces cached footage


@dataclass(frozen=True, slots=True)
class Unit:
    """One access unit: the bytes of one picture.

    Attributes:
        offset: Start in the file, bytes.
        size: Length, bytes.
        is_key: Whether decoding can begin with the unit.
        dts_us: When the unit is sent, microseconds from the footage's beginning.
        pts_us: When the picture is shown, microseconds from the footage's beginning.
    """

    offset: int
    size: int
    is_key: bool
    dts_us: int
    pts_us: int


@dataclass(frozen=True, slots=True)
class Footage:
    """Access units in Annex B form, each key picture with its parameter sets.

    Attributes:
        path: The file of access units; its index lies beside it (``.json``).
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        parameters: The first sequence and picture parameter sets, Annex B.
        duration_us: Length of the footage, microseconds.
        units: The access units in the order in which they are sent.
    """

    path: Path
    width: int
    height: int
    parameters: bytes
    duration_us: int
    units: tuple[Unit, ...]

    @property
    def duration_s(self) -> float:
        """Length of the footage, seconds."""
        return self.duration_us / _US

    def first(self, duration_s: float) -> Footage:
        """The beginning of the footage; shorter footage stays as it is."""
        end_us = round(duration_s * _US)
        if end_us >= self.duration_us:
            return self
        units = tuple(unit for unit in self.units if max(unit.dts_us, unit.pts_us) < end_us)
        return replace(self, duration_us=end_us, units=units)


def remuxed(clip: Path, folder: Path) -> Footage:
    """The pictures of an H.264 recording, unchanged: nothing is encoded.

    Args:
        clip: The recording.
        folder: Cache of the footage.

    Raises:
        ValueError: The clip is not H.264, or has no key frame.
    """
    path = _place(clip, folder, "remuxed")
    if not path.with_suffix(".json").exists():
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            if stream.codec_context.name != "h264":
                raise ValueError(f"{clip} is {stream.codec_context.name}, not H.264: encode it")
            size = stream.codec_context.width, stream.codec_context.height
            _write(path, size, _annex_b(container.demux(stream), stream))
    return load(path)


def encoded(
    clip: Path,
    folder: Path,
    *,
    size: tuple[int, int],
    rate: int = 25,
    key_interval_s: float = 2.0,
    bit_rate: int | None = None,
) -> Footage:
    """The pictures of any clip, scaled and encoded as a camera does.

    Args:
        clip: Any file that FFmpeg reads; the clip keeps its own speed, and pictures are repeated
            or left out.
        folder: Cache of the footage.
        size: Width and height, pixels; even numbers.
        rate: Pictures per second.
        key_interval_s: Interval between key frames, seconds.
        bit_rate: Bits per second; ``None``: constant quality.
    """
    path = _place(clip, folder, f"{size} {rate} {key_interval_s} {bit_rate} {_ENCODING}")
    if not path.with_suffix(".json").exists():
        encoder = av.CodecContext.create("libx264", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height = size
        encoder.pix_fmt, encoder.framerate = "yuv420p", Fraction(rate)
        encoder.time_base, encoder.gop_size = Fraction(1, rate), round(rate * key_interval_s)
        options = _ENCODING | {"keyint_min": str(encoder.gop_size)}
        if bit_rate is not None:
            encoder.bit_rate = bit_rate
            options |= {"maxrate": str(bit_rate), "bufsize": str(bit_rate)}
        encoder.options = options
        _write(path, size, _encode(encoder, _resampled(clip, size, rate)))
    return load(path)


def load(path: Path) -> Footage:
    """Footage that was made before."""
    index = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Footage(
        path=path,
        width=index["width"],
        height=index["height"],
        parameters=bytes.fromhex(index["parameters"]),
        duration_us=index["duration_us"],
        units=tuple(Unit(*unit) for unit in index["units"]),
    )


def _place(clip: Path, folder: Path, how: str) -> Path:
    state = clip.stat()
    description = f"{clip.resolve()} {state.st_size} {state.st_mtime_ns} {how} {_VERSION}"
    digest = hashlib.sha256(description.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{clip.stem}-{digest}.h264"


def _annex_b(packets: Iterator[VideoPacket], stream: VideoStream) -> Iterator[VideoPacket]:
    filtering = BitStreamFilterContext("h264_mp4toannexb", stream, stream)
    for packet in packets:
        if packet.size:
            yield from filtering.filter(packet)
    yield from filtering.filter(None)


def _encode(encoder: VideoCodecContext, frames: Iterator[VideoFrame]) -> Iterator[VideoPacket]:
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, encoder.time_base
        frame.pict_type = PictureType.NONE
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def _resampled(clip: Path, size: tuple[int, int], rate: int) -> Iterator[VideoFrame]:
    with av.open(str(clip)) as container:
        shown = 0
        start: float | None = None
        for frame in container.decode(video=0):
            start = frame.time if start is None else start
            due = round((frame.time - start) * rate) + 1
            if due > shown:
                scaled = frame.reformat(*size, "yuv420p")
            for _ in range(shown, due):
                yield scaled
            shown = max(shown, due)


def _write(path: Path, size: tuple[int, int], packets: Iterator[VideoPacket]) -> None:
    """Writes the access units from the first key frame on, and then their index."""
    units: list[Unit] = []
    parameters, offset = b"", 0
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        for packet in packets:
            data = bytes(packet)
            if packet.is_keyframe:
                parameters = parameters or parameter_sets(data)
                data = data if parameter_sets(data) else parameters + data
            if parameters and packet.dts is not None and packet.pts is not None:
                assert packet.time_base is not None
                dts_us = round(packet.dts * packet.time_base * _US)
                pts_us = round(packet.pts * packet.time_base * _US)
                units.append(Unit(offset, len(data), packet.is_keyframe, dts_us, pts_us))
                offset += out.write(data)
    if not units:
        part.unlink()
        raise ValueError(f"{path.stem} has no key frame to begin with")
    part.replace(path)
    index = path.with_suffix(".json.part")
    index.write_text(json.dumps(_index(size, parameters, units)), encoding="utf-8")
    index.replace(path.with_suffix(".json"))


def _index(size: tuple[int, int], parameters: bytes, units: Sequence[Unit]) -> dict[str, Any]:
    start_us = units[0].dts_us
    step_us = units[-1].dts_us - units[-2].dts_us if len(units) > 1 else _USUAL_STEP_US
    return {
        "width": size[0],
        "height": size[1],
        "parameters": parameters.hex(),
        "duration_us": units[-1].dts_us - start_us + step_us,
        "units": [
            (unit.offset, unit.size, unit.is_key, unit.dts_us - start_us, unit.pts_us - start_us)
            for unit in units
        ],
    }


def parameter_sets(unit: bytes) -> bytes:
    """The sequence and picture parameter sets of an access unit, both in Annex B form."""
    starts = [match.span() for match in _START.finditer(unit)]
    ends = [begin for begin, _ in starts[1:]] + [len(unit)]
    nals = [(unit[body], unit[begin:end]) for (begin, body), end in zip(starts, ends, strict=True)]
    return b"".join(nal for head, nal in nals if head & 0x1F in (_SPS, _PPS))
