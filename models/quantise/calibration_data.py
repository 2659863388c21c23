"""Frames and image pairs for the calibration of quantisation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_PAIRED = _IMAGES | {".tif", ".tiff"}
# Names of the folders of earlier and later images; "A" and "B" are usual in data sets.
_DATES = (("before", "after"), ("A", "B"))
_VIDEOS = frozenset({".mp4", ".mkv", ".avi", ".mov", ".ts", ".m4v", ".webm", ".mpg", ".mpeg"})


def frames(source: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """Take frames evenly from images and videos.

    Args:
        source: A folder (searched with its subfolders), an image or a video.
        count: Largest number of frames. Images are taken evenly by name; each video gives an equal
            share, evenly spaced in time.

    Yields:
        BGR images ``(height, width, 3)`` uint8. Unreadable files are skipped.

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
    """Yield the key frames next to ``count`` evenly spaced times of a video."""
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


def pairs(source: Path, count: int, side: int) -> Iterator[Pair]:
    """Take tiles evenly from pairs of images of the same ground.

    Args:
        source: A folder with folders ``before`` and ``after``, or ``A`` and ``B``, in which images
            of equal names, 8 bits and of equal sizes, show the same ground.
        count: Largest number of tiles, taken evenly by name.
        side: Side of a tile, pixels.

    Yields:
        BGR tiles ``(side, side, 3)`` uint8 of both dates. Unreadable or smaller images are skipped.

    Raises:
        ModelError: The source does not exist, or has no such pairs.
    """
    for first, second in _DATES:
        named = {
            file.name: (file, source / second / file.name)
            for file in sorted((source / first).glob("*"))
            if file.suffix.lower() in _PAIRED and (source / second / file.name).is_file()
        }
        if named:
            break
    else:
        wanted = " or ".join(f"'{first}' and '{second}'" for first, second in _DATES)
        raise ModelError(f"{source}: has no folders {wanted} with images of equal names")
    files = list(named.values())
    for position in np.unique(np.linspace(0, len(files) - 1, count).round().astype(int)):
        earlier, later = (cv2.imread(str(file)) for file in files[position])
        if earlier is None or later is None or earlier.shape != later.shape:
            continue
        if min(earlier.shape[:2]) >= side:
            yield _middle(earlier, side), _middle(later, side)


def _middle(image: NDArray[Any], side: int) -> NDArray[np.uint8]:
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side], np.uint8)
