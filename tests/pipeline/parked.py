"""Recordings of a parked car, made from a photograph, for the tests of plates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.video.clock import Clock
from cv_engine.video.source import open_video

Image = NDArray[np.uint8]

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
RATE = 5


def photo(folder: Path, name: str) -> Image:
    """A photograph, with even sides, as codecs want them."""
    data = np.frombuffer((folder / f"{name}.jpg").read_bytes(), np.uint8)
    image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


def recording(path: Path, pictures: Sequence[Image]) -> Path:
    """A recording of pictures, ``RATE`` a second, the second frame 1 / ``RATE`` s in."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"crf": "14", "preset": "ultrafast", "g": "10"}
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def footage_of(path: Path, pictures: Sequence[Image]) -> Footage:
    """The footage of a recording that begins at ``START``."""
    footage = Footage()
    clock = Clock(START)
    footage.add(Recording.of(open_video(recording(path, pictures)), clock, "the start given"))
    footage.recordings[-1].seen_s = (len(pictures) - 1) / RATE
    return footage


def filmed(image: Image, seconds: float, change: Callable[[int, Image], Image]) -> list[Image]:
    """Frames of a still view, each changed by its number."""
    return [change(number, image.copy()) for number in range(round(seconds * RATE))]
