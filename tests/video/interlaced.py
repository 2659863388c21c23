"""Interlaced, anamorphic recordings as the encoders of DVRs make them, and their square twins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

WIDTH, HEIGHT = 704, 576
SQUARE_WIDTH = 768
STEP_PX = 12  # of the thing that moves, from one field to the next
FIELDS = 8


def moment(number: int) -> Image:
    """BGR (576, 768, 3): a street with texture, a standing thing, and one that moves."""
    chance = np.random.default_rng(5)
    coarse = chance.integers(60, 190, (36, 48, 3), np.uint8)
    image = np.asarray(cv2.resize(coarse, (SQUARE_WIDTH, HEIGHT)), np.uint8)
    image[100:101] = 250  # a line of one pixel, which no field but one has
    image[300:420, 480:640] = (20, 20, 200)
    left = 40 + STEP_PX * number
    image[200:280, left : left + 120] = (240, 240, 240)
    return image


def planes_of(image: Image, width: int) -> Image:
    small = av.VideoFrame.from_ndarray(image, "bgr24")
    return np.asarray(small.reformat(width, HEIGHT, "yuv420p").to_ndarray(), np.uint8)


def woven(first: Image, second: Image) -> Image:
    """The planes of an interlaced picture of two moments."""
    woven = first.copy()
    woven[1:HEIGHT:2] = second[1:HEIGHT:2]
    size = (2, HEIGHT // 2, WIDTH // 2)
    woven[HEIGHT:].reshape(size)[:, 1::2] = second[HEIGHT:].reshape(size)[:, 1::2]
    return woven


def record(path: Path, *, interlaced: bool, codec: str = "libx264") -> Path:
    """25 pictures per second; as the encoder of a DVR makes them, or their square twin."""
    width = WIDTH if interlaced else SQUARE_WIDTH
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, HEIGHT, "yuv420p"
        options = {"preset": "ultrafast", "crf": "12"} if codec == "libx264" else {"b": "8M"}
        if interlaced:
            stream.sample_aspect_ratio = Fraction(12, 11)
            stream.codec_context.sample_aspect_ratio = Fraction(12, 11)
            tagged = {"x264-params": "tff=1"} if codec == "libx264" else {"flags": "+ilme+ildct"}
            options |= tagged
        stream.codec_context.options = options
        for number in range(0, FIELDS, 2):
            planes = planes_of(moment(number), width)
            if interlaced:
                planes = woven(planes, planes_of(moment(number + 1), width))
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number // 2, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
