"""Opens a recording, with errors that explain what is wrong with the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.video.errors import VideoError

# FFmpeg takes unknown text for subtitles or a list of other inputs. None of these formats holds
# pictures of its own, and some would make FFmpeg open addresses named in the text.
_NOT_RECORDINGS = frozenset(
    ("concat", "ffmetadata", "hls", "lrc", "srt", "subviewer", "tty", "webvtt", "ass", "sdp")
)
# Pictures that are not part of the recording, such as a music file's cover.
_BESIDE = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a recording, and closes it when the block ends.

    Args:
        path: The file.

    Yields:
        The container and its video stream; of several streams, the one with most pixels.

    Raises:
        VideoError: The file is missing, empty, unreadable, not a recording, or without pictures.
    """
    _check(path)
    try:
        # protocol_whitelist: a file must not make FFmpeg open an address named in the file.
        container = av.open(
            str(path), mode="r", metadata_errors="replace", options={"protocol_whitelist": "file"}
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(_why_not_opened(path, error)) from error
    with container:
        yield container, _video_stream(path, container)


def _check(path: Path) -> None:
    if not path.exists():
        raise VideoError(f"{path}: there is no such file")
    if path.is_dir():
        raise VideoError(f"{path}: is a folder, not a recording")
    if not path.is_file():
        raise VideoError(f"{path}: is not a regular file")
    if not os.access(path, os.R_OK):
        raise VideoError(f"{path}: no permission to read it")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty")


def _why_not_opened(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read it"
    with path.open("rb") as file:
        head = file.read(4096)
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        return (
            f"{path}: the MP4's index is missing or damaged, as when a recorder is switched off "
            "while writing; a repair tool can restore it from a sound file of the same camera"
        )
    if b"\0" not in head and head.isascii():
        return f"{path}: is text, not a recording"
    return f"{path}: is not a recording that FFmpeg can read"


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    if container.format.name in _NOT_RECORDINGS:
        raise VideoError(f"{path}: is text, not a recording")
    streams = [s for s in container.streams.video if not s.disposition & _BESIDE]
    if not streams:
        what = "only sound" if container.streams.audio else "no pictures"
        raise VideoError(f"{path}: has {what}")
    return max(streams, key=_pixels)


def _pixels(stream: VideoStream) -> int:
    return stream.codec_context.width * stream.codec_context.height
