"""Codecs at the bit rates of cheap cameras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

#: Codec, how often, and the range of bits per pixel (a quality scale for MJPEG).
_CODECS = (
    ("h264", "libx264", 0.50, (0.05, 0.2)),
    ("h265", "libx265", 0.16, (0.035, 0.14)),
    ("mpeg4", "mpeg4", 0.18, (0.09, 0.3)),
    ("mjpeg", "mjpeg", 0.16, (6.0, 20.0)),
)
_USUAL_PIXELS = 640 * 360
_KEY_S = (1.0, 2.0, 4.0, 10.0)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a scene is encoded.

    Attributes:
        name: ``h264``, ``h265``, ``mpeg4`` or ``mjpeg``.
        encoder: FFmpeg's encoder.
        amount: Bits per pixel; the quality scale of MJPEG.
        key_s: Seconds between key frames.
    """

    name: str
    encoder: str
    amount: float
    key_s: float

    @property
    def suffix(self) -> str:
        """Of the container that cameras use with the codec."""
        return ".avi" if self.name == "mjpeg" else ".mp4"


def draw_encoding(
    rng: np.random.Generator,
    size: tuple[int, int],
    rates: Sequence[int],
    most_pixels_s: float,
) -> tuple[Fraction, Encoding]:
    """A frame rate that a camera of the size has, and an encoding."""
    pixels = size[0] * size[1]
    possible = [rate for rate in rates if rate * pixels <= most_pixels_s] or [min(rates)]
    rate = int(rng.choice(possible))
    often = np.array([codec[2] for codec in _CODECS])
    name, encoder, _, (low, high) = _CODECS[int(rng.choice(len(often), p=often / often.sum()))]
    amount = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    if name != "mjpeg":
        # Cameras spend more bits on each pixel where the pixels or the frames are few.
        amount *= float(np.clip((_USUAL_PIXELS / pixels) ** 0.35 * (15 / rate) ** 0.4, 0.6, 3.0))
    return Fraction(rate), Encoding(name, encoder, amount, float(rng.choice(_KEY_S)))


def encode(
    frames: Iterable[NDArray[np.uint8]], path: Path, rate: Fraction, encoding: Encoding
) -> None:
    """Writes frames, each uint8 ``(height * 3 / 2, width)`` in I420, to a file."""
    with av.open(str(path), "w") as out:
        stream: VideoStream | None = None
        for number, picture in enumerate(frames):
            if stream is None:
                stream = _stream(out, picture.shape[1], picture.shape[0] * 2 // 3, rate, encoding)
            frame = VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            frame.pict_type = PictureType.NONE
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode(None))


def _stream(
    out: av.container.OutputContainer, width: int, height: int, rate: Fraction, encoding: Encoding
) -> VideoStream:
    stream = out.add_stream(encoding.encoder, rate=rate)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = width, height
    context = stream.codec_context
    context.thread_count = 1
    interval = max(1, round(encoding.key_s * rate))
    if encoding.name == "mjpeg":
        stream.pix_fmt = "yuvj420p"
        context.options = {"qmin": str(round(encoding.amount)), "qmax": str(round(encoding.amount))}
        return stream
    stream.pix_fmt = "yuv420p"
    context.bit_rate = round(encoding.amount * width * height * float(rate))
    context.gop_size = interval
    keys = f"keyint={interval}:min-keyint={interval}:scenecut=0"
    if encoding.name == "h264":
        context.options = {"preset": "veryfast", "x264-params": f"{keys}:threads=1:mbtree=0"}
    elif encoding.name == "h265":
        quiet = "log-level=none:pools=none:frame-threads=1"
        context.options = {"preset": "ultrafast", "x265-params": f"{keys}:{quiet}"}
    return stream
