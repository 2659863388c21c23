"""Small recordings for the tests, in which every picture shows its own number."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray

WIDTH, HEIGHT = 192, 96
_BITS = 10
_MARK = WIDTH // 12  # width of one bit's column in pixels; two columns are left over for colour
TICKS = Fraction(1, 1000)


def picture(number: int) -> NDArray[np.uint8]:
    """BGR (HEIGHT, WIDTH, 3): ``number`` in binary, as white and black columns from the left.

    The upper right is red and the lower right blue, which tells turns and mirroring.
    """
    image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    for bit in range(_BITS):
        if number >> bit & 1:
            image[:, bit * _MARK : (bit + 1) * _MARK] = 220
    image[: HEIGHT // 2, _BITS * _MARK :] = (0, 0, 255)
    image[HEIGHT // 2 :, _BITS * _MARK :] = (255, 0, 0)
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number in an upright grey or BGR picture of any size."""
    grey = image if image.ndim == 2 else image.mean(axis=2)
    columns = grey.shape[1] / 12
    middle = grey[grey.shape[0] // 4 : grey.shape[0] * 3 // 4]
    values = [middle[:, int((bit + 0.5) * columns)].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, value in enumerate(values) if value > 128)


def times(count: int, rate: float = 10.0) -> list[float]:
    """``count`` media times at an even rate, seconds."""
    return [number / rate for number in range(count)]


def record(
    path: Path,
    times_s: Sequence[float],
    *,
    codec: str = "libx264",
    keys: Iterable[int] = (),
    gop: int = 1000,
    b_frames: int = 0,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    encoding: dict[str, str] | None = None,
    rotation: int = 0,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Writes a recording whose ``n``-th picture shows the number ``n`` at ``times_s[n]``.

    Key frames are every ``gop`` pictures, and those whose numbers are in ``keys``.
    """
    forced = set(keys)
    extra = {"sc_threshold": "0", "crf": "20", "preset": "ultrafast"} if "x264" in codec else {}
    # movflags keeps odd timestamps as they are, instead of smoothing them by an edit list.
    with av.open(str(path), "w", options=options or {}) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        context = stream.codec_context
        context.gop_size, context.max_b_frames, context.time_base = gop, b_frames, TICKS
        context.thread_count = 1
        context.options = {**extra, "bf": str(b_frames)} if "x264" in codec else {}
        context.options |= encoding or {}
        if rotation:
            stream.set_display_rotation(rotation)
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24").reformat(
                format=pixel_format
            )
            frame.pts, frame.time_base = round(time_s / TICKS), TICKS
            if number in forced:
                frame.pict_type = av.video.frame.PictureType.I
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def remux(
    source: Path,
    path: Path,
    stamps: Sequence[tuple[int | None, int | None]] | None = None,
    drop: Iterable[int] = (),
    format_name: str | None = None,
) -> Path:
    """Copies a recording's packets, with other (pts, dts) in milliseconds and without some."""
    gone = set(drop)
    with av.open(str(source)) as given, av.open(str(path), "w", format=format_name) as out:
        stream = given.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = [packet for packet in given.demux(stream) if packet.size]
        for number, packet in enumerate(packets):
            if number in gone:
                continue
            if stamps is not None:
                packet.time_base = TICKS
                packet.pts, packet.dts = stamps[number]
            packet.stream = copy
            out.mux(packet)
    return path


def with_sound(
    path: Path,
    times_s: Sequence[float],
    *,
    codec: str = "libx264",
    b_frames: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a recording like :func:`record`, with noisy sound and a key frame every 2 s."""
    noise = np.random.default_rng(1)
    rate = 10
    quiet = {"sc_threshold": "0"} if codec == "libx264" else {"x265-params": "log-level=none"}
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream(codec, rate=rate), out.add_stream("aac", rate=16000)
        assert isinstance(video, av.VideoStream)
        assert isinstance(audio, av.AudioStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size, video.codec_context.max_b_frames = 20, b_frames
        video.codec_context.thread_count = 1
        video.codec_context.options = options or quiet
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time_s * rate), Fraction(1, rate)
            out.mux(video.encode(frame))
            samples = noise.standard_normal((1, 1600)).astype(np.float32) / 5
            heard = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            heard.sample_rate, heard.pts = 16000, 1600 * number
            out.mux(audio.encode(heard))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def sound(path: Path) -> Path:
    """Writes a recording without pictures."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def dav(source: Path, path: Path, began: datetime, rate: float = 10.0) -> Path:
    """Writes a recording's pictures in the frames of Dahua's recorders (DHAV)."""
    with av.open(str(source)) as given:
        stream = given.streams.video[0]
        to_start_codes = BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [packet for packet in given.demux(stream) if packet.size]
        packets = [out for packet in packets for out in to_start_codes.filter(packet)]
    frames = []
    for number, packet in enumerate(packets):
        media_ms = round(1000 * number / rate)
        at = began + timedelta(milliseconds=media_ms)
        date = (
            (at.year - 2000) << 26 | at.month << 22 | at.day << 17
            | at.hour << 12 | at.minute << 6 | at.second
        )  # fmt: skip
        extension = bytes((0x81, 0, 2, round(rate)))
        extension += struct.pack("<BBBBHH", 0x82, 0, 0, 0, WIDTH, HEIGHT)
        data = bytes(packet)
        size = 24 + len(extension) + len(data) + 8
        kind = 0xFD if packet.is_keyframe else 0xFC
        head = struct.pack("<4sBBBBII", b"DHAV", kind, 0, 0, 0, number, size)
        clock = struct.pack("<IHBB", date, media_ms % 65536, len(extension), 0)
        frames.append(head + clock + extension + data + struct.pack("<4sI", b"dhav", size))
    path.write_bytes(b"".join(frames))
    return path


def cut(source: Path, from_s: float, to_s: float, out: Path) -> None:
    """Copies the packets from one key frame up to another."""
    with av.open(str(source)) as film, av.open(str(out), "w") as copy:
        video = film.streams.video[0]
        assert video.time_base is not None
        track = copy.add_stream_from_template(video)
        begin, end = round(from_s / video.time_base), round(to_s / video.time_base)
        for packet in film.demux(video):
            if packet.dts is None or packet.pts is None or not begin <= packet.pts < end:
                continue
            packet.pts, packet.dts = packet.pts - begin, packet.dts - begin
            packet.stream = track
            copy.mux(packet)
