"""Clips that every browser plays: H.264 in MP4, with the index first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import numpy as np

from cv_engine.evidence.errors import ClipError
from cv_engine.evidence.media.still import Image
from cv_engine.video.frame import Turn

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.container.core import Chapter

_CODEC: Literal["libx264"] = "libx264"
_PIXELS = "yuv420p"  # browsers play H.264 in no other layout
_PLAYED = frozenset({"h264", "vp9", "av1"})  # in MP4
_PLAYED_PIXELS = frozenset({_PIXELS, "yuvj420p"})
_FAST_START = {"movflags": "+faststart"}  # index first: the clip plays while it downloads
_QUALITY = {"crf": "20", "preset": "veryfast"}  # plates stay readable at a third of the size
_TIME_BASE = Fraction(1, 90_000)

#: A picture and its time, seconds.
Timed = tuple[float, Image]
#: Called with the number of pictures that are done.
Progress = Callable[[int], None]


def is_playable(clip: Path) -> bool:
    """Whether browsers play a clip: not H.265, Motion JPEG, or anything in Matroska.

    Raises:
        ClipError: The clip cannot be read.
    """
    if clip.suffix != ".mp4":
        return False
    try:
        with av.open(str(clip)) as container:
            context = container.streams.video[0].codec_context
            return context.name in _PLAYED and context.pix_fmt in _PLAYED_PIXELS
    except (av.FFmpegError, IndexError) as error:
        raise ClipError(f"{clip.name}: cannot be read: {error}") from error


def transcode(clip: Path, target: Path) -> int:
    """Writes a copy of a clip that browsers play, with its chapters and without sound.

    Args:
        clip: The clip.
        target: The copy, an MP4 with H.264; none is left behind after an error.

    Returns:
        The number of pictures.

    Raises:
        ClipError: The clip cannot be read, or its pictures change their size.
        OSError: The copy cannot be written.
    """
    try:
        with av.open(str(clip)) as container:
            return encode(target, pictures_of(container), chapters=container.chapters())
    except (av.FFmpegError, ClipError) as error:
        target.unlink(missing_ok=True)
        if isinstance(error, (OSError, ClipError)):
            raise
        raise ClipError(f"{clip.name}: cannot be copied for browsers: {error}") from error


def pictures_of(container: InputContainer) -> Iterator[Timed]:
    """Decodes the pictures of a clip, upright; those without a time are left out."""
    for frame in container.decode(video=0):
        if frame.pts is not None:
            image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            yield frame.time, Turn.of(frame).apply(image)


def encode(
    target: Path,
    pictures: Iterator[Timed],
    progress: Progress = lambda done: None,
    chapters: list[Chapter] | None = None,
) -> int:
    """Writes pictures as a clip that browsers play.

    Args:
        target: The clip, an MP4 with H.264.
        pictures: The pictures in order of time, all of one size, uint8 (H, W, 3) BGR. An odd side
            loses its last row or column, as H.264 needs.
        progress: Receives the number of pictures that are done.
        chapters: Chapters of the clip.

    Returns:
        The number of pictures; where there is none, nothing is written.

    Raises:
        ClipError: The pictures change their size.
        OSError: The clip cannot be written.
    """
    first = next(pictures, None)
    if first is None:
        return 0
    start_s, image = first
    height, width = (side - side % 2 for side in image.shape[:2])
    count = 0
    with av.open(str(target), "w", format="mp4", options=_FAST_START) as container:
        stream = container.add_stream(_CODEC, options=dict(_QUALITY))
        stream.width, stream.height, stream.pix_fmt = width, height, _PIXELS
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        if chapters:
            container.set_chapters(chapters)
        for time_s, picture in chain([first], pictures):
            if picture.shape != image.shape:
                raise ClipError("the pictures of the clip change their size")
            whole = np.ascontiguousarray(picture[:height, :width])
            frame = av.VideoFrame.from_ndarray(whole, format="bgr24")
            frame.pts, frame.time_base = round((time_s - start_s) / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(frame))
            count += 1
            progress(count)
        container.mux(stream.encode(None))
    return count
