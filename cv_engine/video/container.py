"""Opens a recording, with errors that explain what is wrong with the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.errors import EngineError
from cv_engine.video.errors import VideoError
from cv_engine.video.track import choose_track

# FFmpeg takes unknown text for subtitles or a list of other inputs. None of these formats holds
# pictures of its own, and some would make FFmpeg open addresses named in the text.
_NOT_RECORDINGS = frozenset(
    ("concat", "ffmetadata", "hls", "lrc", "srt", "subviewer", "tty", "webvtt", "ass", "sdp")
)


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """What the user states about a recording that the file does not.

    Attributes:
        rate: Pictures per second of recordings without times of their own, such as raw H.264.
        track: Number of the video track to read, as FFmpeg counts; ``None``: FFmpeg's choice.
    """

    rate: float | None = None
    track: int | None = None


AS_STATED = ReadSettings()


@contextmanager
def opened(
    path: Path, settings: ReadSettings = AS_STATED
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a recording, and closes it when the block ends.

    Args:
        path: The file.
        settings: What the user states about the recording.

    Yields:
        The container and its video stream (see :func:`cv_engine.video.track.choose_track`).

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
        if container.format.name in _NOT_RECORDINGS:
            raise VideoError(f"{path}: is text, not a recording")
        yield container, choose_track(path, container, settings.track)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns whatever FFmpeg raises while a damaged file is read into an error about the file.

    Damage that FFmpeg does not expect surfaces as errors of many types. One such file must not stop
    the files after it.

    Raises:
        VideoError: The block raised an error that is not one of the program's own.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise VideoError(f"{path}: cannot be read, is the file damaged? ({what})") from error


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
