"""Checkpoints: the state of each camera's run on disk, so that a killed run resumes.

A checkpoint is a typed value: plain values, arrays, dataclasses and structs, restored by field name
and checked against their types; nothing in the file is executed. The file is written whole or not
at all. A damaged file, or one made with other settings, is ignored: that part of the run is
repeated. A file of another format version is set aside in a folder of its own.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import structlog

from cv_engine.files import write_atomically
from cv_engine.pipeline import array_codec

S = TypeVar("S")

#: Version of the format. It rises with every change of what a state's fields mean or are called.
VERSION = 6
_HEAD = b"cv-engine checkpoint" + VERSION.to_bytes(2, "big")
_SEAL_BYTES = 32
_SUFFIX = ".checkpoint"
_OTHER_VERSIONS = "other-versions"


class Checkpoint(msgspec.Struct, Generic[S], frozen=True):
    """The state of a camera's run.

    Attributes:
        key: Key of the recording that was being sampled.
        seen_s: Media time of its last sample, seconds.
        finished: Whether it was sampled to its end.
        ended: Time of the last sample, UTC.
        state: What is needed to resume.
    """

    key: str
    seen_s: float
    finished: bool
    ended: datetime
    state: S


class _Content(msgspec.Struct, Generic[S], frozen=True):
    """The content of a file: the checkpoint, and a digest of all else that it depends on."""

    settings: str
    checkpoint: Checkpoint[S]


class _Ended(msgspec.Struct, frozen=True):
    """The part of a checkpoint that can be read without its state."""

    ended: datetime


class _EndedContent(msgspec.Struct, frozen=True):
    checkpoint: _Ended


class Checkpoints(Generic[S]):
    """The latest checkpoint of each camera.

    Files of another version in the folder are set aside, with one message.

    Args:
        folder: Folder of the files.
        state: Type of the state.
    """

    def __init__(self, folder: Path, state: type[S]) -> None:
        self._folder = folder
        self._content: type[_Content[S]] = _Content[state]  # type: ignore[valid-type]
        _set_aside(folder)

    def load(self, camera: str, settings: str) -> Checkpoint[S] | None:
        """The checkpoint of a camera; ``None`` where there is none that can be used.

        Args:
            camera: Name of the camera.
            settings: Digest of everything else that the state depends on.
        """
        try:
            body = _body(self.path(camera).read_bytes())
            content = array_codec.decode(body, self._content)
        except (OSError, ValueError):
            return None
        return content.checkpoint if content.settings == settings else None

    def save(self, camera: str, settings: str, checkpoint: Checkpoint[S]) -> bool:
        """Keeps the checkpoint of a camera in place of the last one.

        Returns:
            Whether the file could be written; a failure is logged, and a run that is stopped later
            repeats more.
        """
        return self.write(camera, array_codec.encode(_Content(settings, checkpoint)))

    def write(self, camera: str, body: bytes) -> bool:
        """Writes the file of a camera's checkpoint; see `save`."""
        try:
            write_atomically(self.path(camera), _HEAD, hashlib.sha256(body).digest(), body)
        except OSError as error:
            structlog.get_logger(__name__).warning(
                "the checkpoint cannot be written; if the run is stopped, more is repeated",
                camera=camera,
                reason=error.strerror,
            )
            return False
        return True

    def drop(self, camera: str) -> None:
        """Removes the checkpoint of a camera: no run resumes from it."""
        self.path(camera).unlink(missing_ok=True)

    def path(self, camera: str) -> Path:
        """The file of a camera's checkpoint, whether or not it exists."""
        return checkpoint_path(self._folder, camera)


def checkpoint_path(folder: Path, camera: str) -> Path:
    """The file of a camera's checkpoint in a folder, whether or not it exists."""
    return folder / f"{hashlib.sha256(camera.encode()).hexdigest()[:32]}{_SUFFIX}"


def ended(data: bytes) -> datetime | None:
    """Time of the last sample before a checkpoint was written.

    Args:
        data: Content of the file.

    Returns:
        The time; ``None`` where the file is damaged or of another version.
    """
    try:
        return array_codec.decode(_body(data), _EndedContent).checkpoint.ended
    except ValueError:
        return None


def _body(data: bytes) -> memoryview:
    """The content of a file behind its head and seal.

    Raises:
        ValueError: The file is damaged or of another version.
    """
    body = memoryview(data)[len(_HEAD) + _SEAL_BYTES :]
    seal = hashlib.sha256(body).digest()
    if data[: len(_HEAD)] != _HEAD or data[len(_HEAD) : len(_HEAD) + _SEAL_BYTES] != seal:
        raise ValueError("the checkpoint is damaged or of another version")
    return body


def _set_aside(folder: Path) -> None:
    """Moves the files of other versions into a folder of their own, and reports how many."""
    others = [path for path in folder.glob(f"*{_SUFFIX}") if not _is_ours(path)]
    moved = 0
    for path in others:
        with suppress(OSError):  # another worker may be moving it
            aside = folder / _OTHER_VERSIONS
            aside.mkdir(exist_ok=True)
            path.rename(aside / path.name)
            moved += 1
    if moved:
        structlog.get_logger(__name__).warning(
            "checkpoints of another version are set aside: recordings are sampled again from their "
            "start, cameras start without a past; cases and evidence stay as they are",
            checkpoints=moved,
            folder=str(folder / _OTHER_VERSIONS),
        )


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD
    except OSError:
        return True
