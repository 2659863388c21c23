"""A small stream of H.264 or H.265: the NAL units of its pictures."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from cv_engine.live.stream.bitstream.nal_units import SYNTAXES, split

WIDTH, HEIGHT = 192, 96
_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_SIDE = 24  # of the square that moves, pixels

Picture = tuple[bytes, ...]
"""The NAL units of one picture, parameter sets among them."""


def pictures(
    codec: str,
    count: int,
    *,
    every: int = 10,
    slices: int = 1,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> list[Picture]:
    """Pictures of a square that moves.

    Args:
        codec: ``h264`` or ``hevc``.
        count: Number of pictures.
        every: Pictures from one key frame to the next.
        slices: Slices of each picture; one for H.265.
        size: Width and height, pixels.
    """
    encoder = av.CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.gop_size, encoder.max_b_frames = Fraction(1, 10), every, 0
    encoder.thread_count = 1
    settings = f"scenecut=0:keyint={every}:min-keyint={every}:bframes=0"
    if codec == "h264":
        settings += f":slices={slices}"
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": settings}
    else:
        settings += ":ctu=16:min-cu-size=8:log-level=none:pools=none:frame-threads=1:info=0"
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x265-params": settings}
    packets = [
        packet for number in range(count) for packet in encoder.encode(_frame(number, *size))
    ]
    packets += encoder.encode(None)
    return _with_sets(codec, [tuple(split(bytes(packet))) for packet in packets])


def _with_sets(codec: str, found: list[Picture]) -> list[Picture]:
    """The same pictures; each key frame has the parameter sets of the first one, and no more."""
    syntax = SYNTAXES[codec]
    sets = tuple(unit for unit in found[0] if syntax.type_of(unit) in syntax.parameter_sets)
    pictures = []
    for units in found:
        slices = tuple(unit for unit in units if syntax.type_of(unit) in syntax.slices)
        is_key = syntax.type_of(slices[0]) in syntax.keys
        pictures.append((*sets, *slices) if is_key else slices)
    return pictures


def _frame(number: int, width: int, height: int) -> av.VideoFrame:
    image = np.full((height, width, 3), 90, np.uint8)
    image[:, ::7] = 140
    left = 5 * number % (width - _SIDE)
    image[30 : 30 + _SIDE, left : left + _SIDE] = (30, 200, 240)
    frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format="yuv420p")
    frame.pts = number
    return frame
