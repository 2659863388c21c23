"""Opens a recording, with errors that explain what is wrong with the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.errors import EngineError
from cv_engine.video.errors import VideoError
from cv_engine.video.rate import Rate, rate_of
from cv_engine.video.recovery.layout import Layout, layout_of
from cv_engine.video.recovery.stream import RecoveredStream
from cv_engine.video.track import choose_track

# FFmpeg takes unknown text for subtitles or a list of other inputs. None of these formats holds
# pictures of its own, and some would make FFmpeg open addresses named in the text.
_NOT_RECORDINGS = frozenset(
    ("concat", "ffmetadata", "hls", "lrc", "srt", "subviewer", "tty", "webvtt", "ass", "sdp")
)
# How MP4 files begin.
_MP4_BOXES = (b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip")


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """What the user states about a recording that the file does not.

    Attributes:
        rate: Pictures per second of recordings without times of their own, such as raw H.264.
        track: Number of the video track to read, as FFmpeg counts; ``None``: FFmpeg's choice.
        repair_from: A sound recording of the same camera, from which MP4 files that have lost their
            index are read.
    """

    rate: float | None = None
    track: int | None = None
    repair_from: Path | None = None

    def stated_rate(self) -> Rate | None:
        """The rate of recordings without times of their own, where it is known.

        Raises:
            VideoError: The sound recording cannot be read.
        """
        if self.rate is not None:
            return Rate.stated(self.rate)
        return None if self.repair_from is None else _sound(self.repair_from, self.track).rate


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
        if not _is_mp4(path, error):
            raise VideoError(_why_not_opened(path, error)) from error
        with _recovered(path, settings) as found:
            yield found
        return
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
    head = _head(path)
    if b"\0" not in head and head.isascii():
        return f"{path}: is text, not a recording"
    return f"{path}: is not a recording that FFmpeg can read"


def _is_mp4(path: Path, error: Exception) -> bool:
    return isinstance(error, av.InvalidDataError) and _head(path)[4:8] in _MP4_BOXES


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


class _Sound(NamedTuple):
    """The layout and the rate of a sound recording, which others of its camera share."""

    layout: Layout
    rate: Rate


def _sound(path: Path, track: int | None) -> _Sound:
    _check(path)
    return _read_sound(path, track, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read_sound(path: Path, track: int | None, written_ns: int) -> _Sound:
    """What a sound recording tells, read once while the file stays as it is."""
    with opened(path, ReadSettings(track=track)) as (container, stream):
        layout, rate = layout_of(container, stream), rate_of(stream)
    if layout is None:
        raise VideoError(
            f"{path}: nothing can be repaired from this file; --repair-from needs a sound MP4 of "
            "the same camera, in H.264 or H.265"
        )
    return _Sound(layout, Rate(rate.per_second, f"that of {path.name}"))


@contextmanager
def _recovered(path: Path, settings: ReadSettings) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens what can be found in an MP4 file without index."""
    sound = None if settings.repair_from is None else _sound(settings.repair_from, settings.track)
    with ExitStack() as stack:
        found = stack.enter_context(RecoveredStream(path, sound.layout if sound else None))
        if found.layout is None:
            raise VideoError(
                f"{path}: the MP4's index is missing or damaged, as when a recorder is switched "
                "off while writing; state a sound file of the same camera with --repair-from"
            )
        if not found.has_pictures():
            raise VideoError(
                f"{path}: the MP4's index is missing or damaged, and there are no pictures like "
                f"those of {settings.repair_from}; are both of the same camera and settings?"
            )
        container = av.open(found, mode="r", format=found.layout.syntax.codec)
        stack.enter_context(container)
        yield container, choose_track(path, container)


def is_recovered(container: InputContainer) -> bool:
    """Whether a recording is read without its index, which is lost."""
    return isinstance(getattr(container.file, "file", None), RecoveredStream)
