"""Interlaced and anamorphic pictures give what their progressive, square-pixel twins give."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.evidence.media.clip import cut
from cv_engine.video.picture_shape import deinterlaced, square_size
from cv_engine.video.sampler import Plan
from cv_engine.video.source import Video, open_video

Image = NDArray[np.uint8]

_WIDTH, _HEIGHT = 704, 576
_SQUARE_WIDTH = 768
_STEP_PX = 12  # of the thing that moves, from one field to the next
_FIELDS = 8


@pytest.mark.parametrize(
    ("size", "shape", "square"),
    [
        ((704, 576), Fraction(12, 11), (768, 576)),
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((720, 480), Fraction(8, 9), (640, 480)),
        ((352, 576), Fraction(24, 11), (768, 576)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),
        ((1920, 1080), Fraction(1), (1920, 1080)),
        ((1921, 1081), None, (1921, 1081)),
        ((1920, 1080), Fraction(0), (1920, 1080)),
        ((1920, 1080), Fraction(1, 255), (1920, 1080)),
    ],
)
def test_only_the_width_changes(
    size: tuple[int, int], shape: Fraction | None, square: tuple[int, int]
) -> None:
    assert square_size(*size, shape) == square


def _moment(number: int) -> Image:
    """BGR (576, 768, 3): a street with texture, a standing thing, and one that moves."""
    chance = np.random.default_rng(5)
    coarse = chance.integers(60, 190, (36, 48, 3), np.uint8)
    image = np.asarray(cv2.resize(coarse, (_SQUARE_WIDTH, _HEIGHT)), np.uint8)
    image[100:101] = 250  # a line of one pixel, which no field but one has
    image[300:420, 480:640] = (20, 20, 200)
    left = 40 + _STEP_PX * number
    image[200:280, left : left + 120] = (240, 240, 240)
    return image


def _planes(image: Image, width: int) -> Image:
    small = av.VideoFrame.from_ndarray(image, "bgr24")
    return np.asarray(small.reformat(width, _HEIGHT, "yuv420p").to_ndarray(), np.uint8)


def _woven(first: Image, second: Image) -> Image:
    """The planes of an interlaced picture of two moments."""
    woven = first.copy()
    woven[1:_HEIGHT:2] = second[1:_HEIGHT:2]
    size = (2, _HEIGHT // 2, _WIDTH // 2)
    woven[_HEIGHT:].reshape(size)[:, 1::2] = second[_HEIGHT:].reshape(size)[:, 1::2]
    return woven


def _record(path: Path, *, interlaced: bool, codec: str = "libx264") -> Path:
    """25 pictures per second; as the encoder of a DVR makes them, or their square twin."""
    width = _WIDTH if interlaced else _SQUARE_WIDTH
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, _HEIGHT, "yuv420p"
        options = {"preset": "ultrafast", "crf": "12"} if codec == "libx264" else {"b": "8M"}
        if interlaced:
            stream.sample_aspect_ratio = Fraction(12, 11)
            stream.codec_context.sample_aspect_ratio = Fraction(12, 11)
            tagged = {"x264-params": "tff=1"} if codec == "libx264" else {"flags": "+ilme+ildct"}
            options |= tagged
        stream.codec_context.options = options
        for number in range(0, _FIELDS, 2):
            planes = _planes(_moment(number), width)
            if interlaced:
                planes = _woven(planes, _planes(_moment(number + 1), width))
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number // 2, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _images(video: Video) -> list[Image]:
    return [sample.image() for sample in video.samples(Plan("all", 0.001, ""))]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("b.ts", "mpeg2video")]
)
def test_an_interlaced_anamorphic_recording_gives_what_its_twin_gives(
    tmp_path: Path, name: str, codec: str
) -> None:
    odd = open_video(_record(tmp_path / name, interlaced=True, codec=codec))
    twin = open_video(_record(tmp_path / "twin.mp4", interlaced=False))
    assert (odd.width, odd.height) == (twin.width, twin.height) == (_SQUARE_WIDTH, _HEIGHT)
    pairs = list(zip(_images(odd), _images(twin), strict=True))
    assert len(pairs) == _FIELDS // 2
    for image, expected in pairs:
        difference = np.abs(image.astype(int) - expected)
        assert difference.mean() < 3
        assert difference[195:285].mean() < 4  # where something moves
        assert difference[98:104].mean() < 8  # a line of one pixel keeps its brightness
    for sample in odd.samples(Plan("all", 0.1, "")):
        assert sample.small(320, 240).shape == (240, 320)


def test_lines_of_two_moments_are_parted_where_something_moves() -> None:
    first, second = (_planes(_moment(number), _WIDTH) for number in (4, 5))
    frame = _interlaced(_woven(first, second))
    luma = deinterlaced(frame).to_ndarray()[:_HEIGHT]
    wanted = first[:_HEIGHT].astype(int)
    assert np.abs(frame.to_ndarray()[200:280].astype(int) - wanted[200:280]).max() > 50
    assert np.abs(luma[204:276].astype(int) - wanted[204:276]).max() <= 12
    still = np.abs(luma.astype(int) - wanted)
    still[190:290] = 0
    assert still.max() == 0


def test_what_stands_still_keeps_all_its_lines() -> None:
    planes = _planes(_moment(4), _WIDTH)
    frame = _interlaced(_woven(planes, planes))
    assert np.array_equal(deinterlaced(frame).to_ndarray(), planes)


def test_a_progressive_picture_is_not_touched() -> None:
    frame = av.VideoFrame.from_ndarray(_planes(_moment(0), _WIDTH), "yuv420p")
    assert deinterlaced(frame) is frame


def _interlaced(planes: Image) -> av.VideoFrame:
    """A decoded picture that the encoder marked as interlaced."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qp": "0", "preset": "ultrafast", "x264-params": "tff=1"}
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    frame.pts = 0
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoded = [out for packet in [*packets, None] for out in decoder.decode(packet)]
    assert decoded[0].interlaced_frame
    return decoded[0]


def test_a_clip_keeps_the_shape_of_its_pixels(tmp_path: Path) -> None:
    path = _record(tmp_path / "a.mp4", interlaced=True)
    clip = open_video(cut(path, 0.0, 0.4, tmp_path / "clip").path)
    assert (clip.width, clip.height) == (_SQUARE_WIDTH, _HEIGHT)
