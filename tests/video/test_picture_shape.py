"""Interlaced and anamorphic pictures give what their progressive, square-pixel twins give."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.evidence.media.clip import cut
from cv_engine.video.picture_shape import deinterlaced, square_size
from cv_engine.video.sampler import Plan
from cv_engine.video.source import Video, open_video
from tests.video.interlaced import (
    FIELDS,
    HEIGHT,
    SQUARE_WIDTH,
    WIDTH,
    moment,
    planes_of,
    record,
    woven,
)

Image = NDArray[np.uint8]


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


def _images(video: Video) -> list[Image]:
    return [sample.image() for sample in video.samples(Plan("all", 0.001, ""))]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("b.ts", "mpeg2video")]
)
def test_an_interlaced_anamorphic_recording_gives_what_its_twin_gives(
    tmp_path: Path, name: str, codec: str
) -> None:
    odd = open_video(record(tmp_path / name, interlaced=True, codec=codec))
    twin = open_video(record(tmp_path / "twin.mp4", interlaced=False))
    assert (odd.width, odd.height) == (twin.width, twin.height) == (SQUARE_WIDTH, HEIGHT)
    pairs = list(zip(_images(odd), _images(twin), strict=True))
    assert len(pairs) == FIELDS // 2
    for image, expected in pairs:
        difference = np.abs(image.astype(int) - expected)
        assert difference.mean() < 3
        assert difference[195:285].mean() < 4  # where something moves
        assert difference[98:104].mean() < 8  # a line of one pixel keeps its brightness
    for sample in odd.samples(Plan("all", 0.1, "")):
        assert sample.small(320, 240).shape == (240, 320)


def test_lines_of_two_moments_are_parted_where_something_moves() -> None:
    first, second = (planes_of(moment(number), WIDTH) for number in (4, 5))
    frame = _interlaced(woven(first, second))
    luma = deinterlaced(frame).to_ndarray()[:HEIGHT]
    wanted = first[:HEIGHT].astype(int)
    assert np.abs(frame.to_ndarray()[200:280].astype(int) - wanted[200:280]).max() > 50
    assert np.abs(luma[204:276].astype(int) - wanted[204:276]).max() <= 12
    still = np.abs(luma.astype(int) - wanted)
    still[190:290] = 0
    assert still.max() == 0


def test_what_stands_still_keeps_all_its_lines() -> None:
    planes = planes_of(moment(4), WIDTH)
    frame = _interlaced(woven(planes, planes))
    assert np.array_equal(deinterlaced(frame).to_ndarray(), planes)


def test_a_progressive_picture_is_not_touched() -> None:
    frame = av.VideoFrame.from_ndarray(planes_of(moment(0), WIDTH), "yuv420p")
    assert deinterlaced(frame) is frame


def _interlaced(planes: Image) -> av.VideoFrame:
    """A decoded picture that the encoder marked as interlaced."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
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
    path = record(tmp_path / "a.mp4", interlaced=True)
    clip = open_video(cut(path, 0.0, 0.4, tmp_path / "clip").path)
    assert (clip.width, clip.height) == (SQUARE_WIDTH, HEIGHT)
