"""Frames to calibrate quantisation with, from folders, images and videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from models.error import ModelError

_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_VIDEOS = frozenset({".mp4", ".mkv", ".avi", ".mov", ".ts", ".m4v", ".webm", ".mpg", ".mpeg"})


def frames(source: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """Take frames evenly from what there is.

    Args:
        source: A folder (searched through), an image or a video.
        count: At most so many frames; images are taken evenly by name, and each video gives an equal
            share, evenly spaced in time.

    Yields:
        BGR images ``(height, width, 3)`` uint8. Files that cannot be read are passed over.

    Raises:
        ModelError: The source does not exist, or has neither images nor videos.
    """
    if not source.exists():
        raise ModelError(f"{source}: there is no such file or folder")
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    images = [file for file in files if file.suffix.lower() in _IMAGES]
    videos = [file for file in files if file.suffix.lower() in _VIDEOS]
    if not images and not videos:
        raise ModelError(f"{source}: holds neither images nor videos to calibrate with")
    share = count // (len(videos) + bool(images)) or 1
    rest = count - share * len(videos) if videos else count
    for position in np.unique(np.linspace(0, len(images) - 1, max(rest, 0)).round().astype(int)):
        if images and (image := cv2.imread(str(images[position]))) is not None:
            yield np.asarray(image, np.uint8)
    for video in videos[:count]:
        yield from _video_frames(video, share)


def _video_frames(path: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """The key frames next to ``count`` evenly spaced times of a video."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for index in range(count):
                duration = container.duration or 0
                container.seek(duration * index // count)
                for frame in container.decode(stream):
                    yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                    break
    except (av.FFmpegError, IndexError):
        return
